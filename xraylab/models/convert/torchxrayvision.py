"""Public weights of TorchXRayVision's DenseNet-121, for :class:`XRVDenseNet121`."""

from xraylab.models.convert.state_dict import Source, StateDict, require_labels, require_model
from xraylab.models.densenet import DenseLayer, Transition
from xraylab.models.xrv_densenet import XRVDenseNet121


def load_xrv(model: XRVDenseNet121, source: Source, head: bool = True) -> XRVDenseNet121:
    """Load the public PyTorch weights into an :class:`XRVDenseNet121`.

    The files that TorchXRayVision downloads are pickled models, which are not read here, because
    reading one may run code. Where torchxrayvision is installed, write the state dict once::

        import torchxrayvision as xrv
        from safetensors.torch import save_file

        theirs = xrv.models.DenseNet(weights="densenet121-res224-all")
        save_file(theirs.state_dict(), "xrv.safetensors")

    or pass ``theirs.state_dict()`` directly.

    Args:
        model: a built :class:`XRVDenseNet121`.
        source: as for :class:`xraylab.models.convert.state_dict.StateDict`. ``op_threshs``, if
            present, are ignored; :func:`xraylab.models.xrv_densenet.probabilities` takes them.
        head: whether to load the last layer. With False, the model keeps its own head.

    Returns:
        The model.

    Raises:
        ValueError: if the model or the weights are another network's; the model is unchanged.
    """
    require_model(model, XRVDenseNet121)
    state = StateDict(source)
    stem, *layers, last = model.trunk
    state.convolution("features.conv0", stem.layers[1])
    state.norm("features.norm0", stem.layers[2])
    block, number = 1, 0
    for layer in layers:
        if isinstance(layer, Transition):
            state.norm(f"features.transition{block}.norm", layer.norm)
            state.convolution(f"features.transition{block}.conv", layer.conv)
            block, number = block + 1, 0
        elif isinstance(layer, DenseLayer):
            number += 1
            prefix = f"features.denseblock{block}.denselayer{number}"
            norm_1, _, conv_1, norm_2, _, conv_2 = layer.branch.layers
            state.norm(f"{prefix}.norm1", norm_1)
            state.convolution(f"{prefix}.conv1", conv_1)
            state.norm(f"{prefix}.norm2", norm_2)
            state.convolution(f"{prefix}.conv2", conv_2)
    state.norm("features.norm5", last.norm)
    if head:
        require_labels(model, len(state.take("classifier.weight")))
        state.linear("classifier", model.head)
    state.assign(ignore=("op_threshs",) if head else ("op_threshs", "classifier."))
    return model
