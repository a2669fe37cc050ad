"""Exercises of chapter 10, RR-ViT."""

from xraylab.check.grading import Exercise

parameters = Exercise(384_206, "Only the position embedding grew, by 720 rows of 128.")
parameters.mistake(292_046, "That is the count at 64 pixels; the position embedding grows.")
parameters.mistake(384_206 + 256, "There is no layer normalization after the last block.")
parameters.mistake(384_206 - 128, "The [CLS] token has a position embedding, too.")

bottleneck = Exercise(16, "A 16 × 16 patch has 256 pixels, twice the width of a token.")
bottleneck.mistake(8, "An 8 × 8 patch has 64 pixels, which fit into 128 numbers.")
bottleneck.mistake(11, "11² is below 128, and the patch size must divide 64.")
bottleneck.mistake(12, "12² is above 128, but 12 does not divide 64.")
bottleneck.mistake(256, "That is the number of pixels of the patch; give its side.")
