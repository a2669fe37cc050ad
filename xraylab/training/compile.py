"""A model made ready for training: with its losses and its optimiser."""

from xraylab.training.optimizer import make_optimizer


def compile_model(model, recipe, total_steps, objective=None, parts=1):
    """Give a model its losses and optimiser.

    Args:
        model: a built model.
        recipe: a :class:`xraylab.training.Recipe`.
        total_steps: steps of the whole run.
        objective: one of :mod:`xraylab.training.objectives`; None stands for classification.
        parts: into how many parts each batch is cut.

    Returns:
        The names of the outputs that are trained.
    """
    if objective is None:
        from xraylab.training.objectives import Classification

        objective = Classification(recipe, images=None)
    losses = objective.losses(model, parts)
    if len(losses) > 1:
        model.__class__ = _with_heads(type(model))
    optimizer = make_optimizer(recipe, model, total_steps, parts)
    model.compile(
        optimizer=optimizer,
        loss=_only({name: loss for name, (loss, _) in losses.items()}),
        loss_weights=_only({name: weight for name, (_, weight) in losses.items()}),
        jit_compile="auto" if recipe.xla is None else recipe.xla,
    )
    model.optimizer.build(model.trainable_variables)
    return tuple(losses)


def _only(values):
    """Return the single value of a dict, or the dict if it has several."""
    return values if len(values) > 1 else next(iter(values.values()))


def _with_heads(cls):
    """Return a subclass whose training output is the dict of the two heads' logits."""

    def call(self, images, training=None, **options):
        if not training or options.get("return_intermediates"):
            return cls.call(self, images, training=training, **options)
        outputs = self.forward(images, training, False, None)
        return {
            "logits": outputs["label_logits"],
            "distillation_logits": outputs["distillation_logits"],
        }

    return type(cls.__name__, (cls,), {"call": call, "__module__": cls.__module__})
