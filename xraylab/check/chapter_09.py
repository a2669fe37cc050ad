"""Exercises of chapter 9, DBCT."""

from xraylab.check.grading import Exercise

width = Exercise(256, "192 · 256 = 49,152. The neighbouring powers of two do not fit.")
width.mistake(128, "192 · 128 = 24,576, less than the smallest possible increase of 0.03 M.")
width.mistake(512, "192 · 512 = 98,304, more than the largest possible increase of 0.05 M.")
width.mistake(192, "192 · 192 = 36,864 would fit, but 192 is not a power of two.")

one_more_norm = Exercise(2_455_246, "With two decimals that is 2.46 M; the slides print 2.45.")
one_more_norm.mistake(2_454_734 + 256, "Each channel has a scale and a shift.")
one_more_norm.mistake(2_454_734, "That is the count without the layer normalization.")
one_more_norm.mistake(2_405_582 + 512, "That is the count at 64 pixels.")

constant = Exercise(0.226589, "More than twice the prevalence: this is not a probability.")
constant.mistake(0.1, "That is the prevalence, the minimum of the cross-entropy.")
constant.mistake(0.305787, "That is the minimum for α = 1/2; weight the positives with α = 1/4.")
constant.mistake(0.398824, "α and 1 - α are swapped.")
constant.mistake(0.035714, "That is the minimum for γ = 0.")
