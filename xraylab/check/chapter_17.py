"""Exercises of chapter 17, Calibration, thresholds and failures."""

import math

from xraylab.check.grading import Exercise

reliability = Exercise(
    0.042,
    "The rest of the Brier score of 0.142 is an uncertainty of 0.160 less a resolution of 0.060.",
    tolerance=1e-4,
)
reliability.mistake(0.18, "That is the calibration error; the Brier score squares the gaps.")
reliability.mistake(0.142, "That is the whole Brier score; give its reliability term.")
reliability.mistake(0.06, "That is the resolution: group frequencies against the base rate.")
reliability.mistake(0.16, "That is the uncertainty: base rate times one minus base rate.")
reliability.mistake(0.05, "Weight each group by its images: four and six.")

precision = Exercise(
    9 / 12,
    "Nine of twelve positive calls are right. Here more than half of the images are positive; at a "
    "prevalence of 1 %, the same sensitivity and specificity give a precision of 2 %.",
)
precision.mistake(0.9, "That is the sensitivity. Divide by the positive calls.")
precision.mistake(8 / 11, "Eight of ten is a sensitivity of 0.8; one more must be found.")
precision.mistake(10 / 17, "That calls all ten. Nine are enough.")
precision.mistake(9 / 14, "Put the threshold at the ninth positive, not at the next image below.")
precision.mistake(3 / 8, "That is the false-positive rate.")

_ODDS_RATIO = 0.02 / 0.98 / (0.10 / 0.90)

offset = Exercise(math.log(_ODDS_RATIO), "Log-odds of 0.02 minus log-odds of 0.10. The slope is 1.")
offset.mistake(-math.log(_ODDS_RATIO), "The finding became rarer, so the offset is negative.")
offset.mistake(math.log(0.02 / 0.10), "That is the ratio of the prevalences; use the odds.")
offset.mistake(_ODDS_RATIO, "That is the odds ratio; take its logarithm.")
offset.mistake(math.log10(_ODDS_RATIO), "Use the natural logarithm.")

worst = Exercise(0.82 - 1.16296 * 0.02, "1.16 standard errors below, although all five are alike.")
worst.mistake(0.82, "That is the expected score of one group. The lowest of five is below it.")
worst.mistake(0.80, "One group in six is below one standard error; there are five.")
worst.mistake(0.82 - 1.95996 * 0.02, "That is the lower bound of one group's 95 % interval.")
worst.mistake(0.82 + 1.16296 * 0.02, "That is the highest of the five.")
