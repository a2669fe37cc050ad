"""Exercises of chapter 14, LT-ViT."""

from xraylab.check.grading import Exercise

label_cost = Exercise(385, "A token of 192, a weight vector of 192 and a bias.")
label_cost.mistake(192, "That is the token alone; its classifier has weights, too.")
label_cost.mistake(193, "Count both the token and the classifier's weights, and the bias.")
label_cost.mistake(384, "Nearly: each label's classifier has a bias, too.")
label_cost.mistake(385 * 4, "The token is learned once; the four blocks share it.")
label_cost.mistake(385 * 14, "That is all fourteen labels; the question is about one more.")

forbidden = Exercise(196 * 14, "None of the 196 patches may attend to any of the 14 labels.")
forbidden.mistake(2 * 196 * 14, "Labels may attend to patches: only one of the corners is masked.")
forbidden.mistake(196 * 14 + 14 * 14, "Labels may attend to labels.")
forbidden.mistake(210 * 14, "Labels may attend to labels.")
forbidden.mistake(196 * 196, "Those are pairs of patches, which are allowed.")
forbidden.mistake(196, "That is for one label.")

gain = Exercise(10 / 3, "A sixth of the attention is on a twentieth of the area.", tolerance=5e-3)
gain.mistake(3.0, "A tenth of the attention is on labels: divide by what is on the image.")
gain.mistake(2.7, "Divide by the attention on the image, do not multiply by it.")
gain.mistake(0.3, "That is the inverse: divide the attention's fraction by the area's.")
gain.mistake(1 / 6, "That is the fraction of the attention; divide it by that of the area.")
