"""The fastest dtype policy of the accelerator."""

import keras

from xraylab.backend import accelerators

FLOAT16_CAPABILITY = (7, 0)
"""Lowest compute capability of NVIDIA GPUs with tensor cores for float16 (V100, T4)."""

BFLOAT16_CAPABILITY = (8, 0)
"""Lowest compute capability with tensor cores for bfloat16 (A100, H100), which cannot overflow."""


def fastest_precision() -> str:
    """Return the dtype policy that is fastest on this machine.

    ``"mixed_bfloat16"`` where the GPU has tensor cores for it, ``"mixed_float16"`` where it has
    them for float16 only, else ``"float32"``: on a P100 half precision saves memory but no time,
    and on a CPU it is slower.
    """
    capability = compute_capability() if accelerators() else None
    if capability is None or capability < FLOAT16_CAPABILITY:
        return "float32"
    return "mixed_bfloat16" if capability >= BFLOAT16_CAPABILITY else "mixed_float16"


def compute_capability() -> tuple[int, int] | None:
    """Return the compute capability of the first NVIDIA GPU, as (8, 0), or None."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
        return details.get("compute_capability")
    if keras.backend.backend() == "jax":
        import jax

        text = getattr(jax.local_devices()[0], "compute_capability", None)
        return None if text is None else tuple(int(part) for part in str(text).split("."))
    return None
