"""Public weights of TorchXRayVision's DenseNet-121, for :class:`XRVDenseNet121`."""

from xraylab.models.convert.state_dict import Source, load_state_dict, require_model
from xraylab.models.xrv_densenet import XRVDenseNet121

RULES = (
    (r"^conv1/conv", "features/conv0"),
    (r"^conv1/bn", "features/norm0"),
    (r"^conv(\d)_block(\d+)", lambda m: f"features/denseblock{int(m[1]) - 1}/denselayer{m[2]}"),
    (r"branch/0_bn", "norm1"),
    (r"branch/1_conv", "conv1"),
    (r"branch/1_bn", "norm2"),
    (r"branch/2_conv", "conv2"),
    (r"^pool(\d)/bn", lambda m: f"features/transition{int(m[1]) - 1}/norm"),
    (r"^pool(\d)/conv", lambda m: f"features/transition{int(m[1]) - 1}/conv"),
    (r"^last/bn", "features/norm5"),
    (r"^head", "classifier"),
)
"""The names of our layers and their names in TorchXRayVision."""


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
        source: the state dict, or the path of a ``.safetensors`` or ``.npz`` file of it. Its
            operating points (``op_threshs``) are ignored.
        head: whether to load the last layer. With False, the model keeps its own head.

    Returns:
        The model.

    Raises:
        ValueError: if the model or the weights are another network's; the model is unchanged.
    """
    require_model(model, XRVDenseNet121)
    load_state_dict(model, source, RULES, head=None if head else "classifier.")
    return model
