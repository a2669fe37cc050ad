"""Exercises of chapter 10, RR-ViT."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

_RNG = np.random.default_rng(10)


def _patchify(image, size):
    rows, columns = image.shape[0] // size, image.shape[1] // size
    patches = image.reshape(rows, size, columns, size).swapaxes(1, 2)
    return patches.reshape(rows * columns, size * size)


patches = CodeExercise(
    _patchify,
    [(_RNG.random((8, 8)), 4), (_RNG.random((6, 9)), 3)],
    "One reshape, one transposition, one reshape.",
)
patches.mistake(
    lambda image, size: image.reshape(-1, size * size),
    "Consecutive pixels of an image lie in one row: reshape to four axes first.",
)
patches.mistake(
    lambda image, size: _patchify(image.T, size), "Cut row by row, and list pixels row by row."
)
patches.mistake(
    lambda image, size: _patchify(image, size).reshape(-1, size, size),
    "Flatten each patch to a vector.",
)

parameters = Exercise(384_206, "Only the position embedding grew, by 720 rows of 128.")
parameters.mistake(292_046, "That is the count at 64 pixels; the position embedding grows.")
parameters.mistake(384_206 + 256, "There is no layer normalization after the last block.")
parameters.mistake(384_206 - 128, "The [CLS] token has a position embedding, too.")

bottleneck = Exercise(16, "A 16 × 16 patch has 256 pixels, twice the width of a token.")
bottleneck.mistake(8, "An 8 × 8 patch has 64 pixels, which fit into 128 numbers.")
bottleneck.mistake(11, "11² is below 128, and the patch size must divide 64.")
bottleneck.mistake(12, "12² is above 128, but 12 does not divide 64.")
bottleneck.mistake(256, "That is the number of pixels of the patch; give its side.")


def _masked_error(images, reconstruction, hidden):
    return np.square(reconstruction - images)[hidden].mean()


_images, _noise = _RNG.random((2, 3, 16, 4))
masked_error = CodeExercise(
    _masked_error,
    [(_images, _images + _noise, _RNG.random((3, 16)) < share) for share in (0.25, 0.6)],
    "Visible patches, which can be copied, do not enter this loss.",
)
masked_error.mistake(
    lambda images, reconstruction, hidden: np.square(reconstruction - images).mean(),
    "That is the error of all patches.",
)
masked_error.mistake(
    lambda images, reconstruction, hidden: _masked_error(images, reconstruction, ~hidden),
    "That is the error of the visible patches.",
)
masked_error.mistake(
    lambda images, reconstruction, hidden: np.square(
        (reconstruction - images) * hidden[..., None]
    ).mean(),
    "Divide by the number of hidden pixels, not of all pixels.",
)
masked_error.mistake(
    lambda images, reconstruction, hidden: np.abs(reconstruction - images)[hidden].mean(),
    "Square the differences.",
)
