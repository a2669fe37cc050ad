"""Exercises of chapter 14, LT-ViT."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

label_cost = Exercise(385, "A token of 192, a weight vector of 192 and a bias.")
label_cost.mistake(192, "That is the token alone; its classifier has weights, too.")
label_cost.mistake(193, "Count both the token and the classifier's weights, and the bias.")
label_cost.mistake(384, "Nearly: each label's classifier has a bias, too.")
label_cost.mistake(385 * 4, "The token is learned once; the four blocks share it.")
label_cost.mistake(385 * 14, "That is all fourteen labels; the question is about one more.")


def _attention_mask(num_patches, num_labels, between_labels=True):
    """Return which query (row) may attend to which key (column)."""
    mask = np.ones((num_patches + num_labels,) * 2, bool)
    mask[:num_patches, num_patches:] = False
    if not between_labels:
        mask[num_patches:, num_patches:] = np.eye(num_labels, dtype=bool)
    return mask


def _without_self(num_patches, num_labels, between_labels=True):
    """Forbid a label token to attend to itself as well."""
    mask = _attention_mask(num_patches, num_labels)
    if not between_labels:
        mask[num_patches:, num_patches:] = False
    return mask


mask = CodeExercise(
    _attention_mask,
    [(9, 4), (9, 4, False), (16, 3, True)],
    "Only the corner where image tokens would attend to labels is forbidden.",
)
mask.mistake(
    lambda *sizes: _attention_mask(*sizes).T,
    "That is transposed: queries are rows, keys are columns.",
)
mask.mistake(
    lambda *sizes: ~_attention_mask(*sizes),
    "True is where a query may attend, not where it may not.",
)
mask.mistake(
    lambda n, k, between_labels=True: np.ones((n + k,) * 2, bool),
    "Image tokens must not attend to label tokens.",
)
mask.mistake(
    lambda n, k, between_labels=True: _attention_mask(n, k),
    "The argument between_labels has no effect.",
)
mask.mistake(_without_self, "A label token attends to itself also without other labels.")

gain = Exercise(10 / 3, "A sixth of the attention is on a twentieth of the area.", tolerance=5e-3)
gain.mistake(3.0, "A tenth of the attention is on labels: divide by what is on the image.")
gain.mistake(2.7, "Divide by the attention on the image, do not multiply by it.")
gain.mistake(0.3, "That is the inverse: divide the attention's fraction by the area's.")
gain.mistake(1 / 6, "That is the fraction of the attention; divide it by that of the area.")
