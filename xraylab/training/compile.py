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
    optimizer = make_optimizer(recipe, model, total_steps, parts)
    model.compile(
        optimizer=optimizer,
        loss={name: loss for name, (loss, _) in losses.items()},
        loss_weights={name: weight for name, (_, weight) in losses.items()},
        jit_compile="auto" if recipe.xla is None else recipe.xla,
    )
    model.optimizer.build(model.trainable_variables)
    return tuple(losses)
