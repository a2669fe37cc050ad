"""Exercises of chapter 4, Scores and losses."""

import math

from xraylab.check.grading import Exercise

empty = Exercise(0.46, "An image counts only if its whole vector is 000.")
empty.mistake(0.65 * 0.71 * 0.92, "The findings are not independent; use the joint counts.")
empty.mistake(0.76, "That is the accuracy per label; here all three labels must be right.")
empty.mistake(0.54, "That is the fraction of images with at least one finding.")

pairs = Exercise(16 / 20, "14 pairs are ordered correctly and 4 tied: 16 of 20.")
pairs.mistake(14 / 20, "Ties count one half, not zero: four pairs are tied.")
pairs.mistake(18 / 20, "Ties count one half, not one: four pairs are tied.")
pairs.mistake(14 / 16, "That leaves the tied pairs out; they count one half, of 20 pairs.")
pairs.mistake(16, "That is the numerator; divide by the number of pairs.")

interval = Exercise(1050, "A fifth of the width takes 25 times as many images.")
interval.mistake(210, "The width falls with the square root of the number of images.")
interval.mistake(42 * math.sqrt(5), "The number of images grows with the square of the precision.")
interval.mistake(25, "That is the factor; give the number of images.")

_DOWN = -math.log(0.6) + 0.4 / 0.6
_UP = -math.log(0.4) + 0.6 / 0.4

focal = Exercise(_DOWN / (_DOWN + _UP), "The prediction is nearer to one half than the truth.")
focal.mistake(0.4, "That minimizes the cross-entropy; the focal loss is nearer to one half.")
focal.mistake(_UP / (_DOWN + _UP), "That is the fraction without the finding.")
focal.mistake(_DOWN, "That is the slope without the finding; divide it by the sum of both slopes.")
