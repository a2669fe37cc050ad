"""Which numbers the accelerator at hand computes fastest with."""

import keras

from xraylab.backend import accelerators

HALF_FROM = (7, 0)
"""Compute capability from which NVIDIA's cards have tensor cores for float16 (V100, T4)."""

BRAIN_FROM = (8, 0)
"""Compute capability from which they have them for bfloat16 (A100, H100), which cannot overflow."""


def fastest_precision():
    """Return the precision of a recipe that suits this machine.

    ``"mixed_bfloat16"`` where the card has tensor cores for it, ``"mixed_float16"`` where it has
    them for float16 only, else ``"float32"``: on a P100 half precision saves memory but no time,
    and on a processor it is slower.
    """
    if not accelerators():
        return "float32"
    capability = compute_capability()
    if capability is None:
        return "float32"
    if capability >= BRAIN_FROM:
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= HALF_FROM else "float32"


def compute_capability():
    """Return the compute capability of the first NVIDIA card, as (8, 0), or None."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cards = tf.config.list_physical_devices("GPU")
        details = tf.config.experimental.get_device_details(cards[0]) if cards else {}
        return details.get("compute_capability")
    if keras.backend.backend() == "jax":
        import jax

        told = getattr(jax.local_devices()[0], "compute_capability", None)
        return None if told is None else tuple(int(part) for part in str(told).split("."))
    return None
