"""Exercises of chapter 16, Saliency maps and localisation."""

from xraylab.check import chapter_06
from xraylab.check.grading import Exercise

grad_cam = chapter_06.grad_cam

energy = Exercise(16 / 28, "More than half of the energy, on a quarter of the image.")
energy.mistake(13 / 28, "The three other cells of the mask count, too.")
energy.mistake(4 / 16, "That is the energy of a uniform map.")
energy.mistake(16 / 29, "There are 15 cells of 1 and one of 13.")
energy.mistake(13 / 15, "Divide by the sum of the whole map, the cell of 13 included.")
energy.mistake(1.0, "That is the pointing game: the maximum is in the mask.")

rollout = Exercise(0.55, "After two blocks, more than half of [CLS] comes from the other token.")
rollout.mistake(0.45, "That is the fraction of [CLS] that comes from itself.")
rollout.mistake(0.9, "That leaves out the residual: half of each token passes unchanged.")
rollout.mistake(0.425, "The order is reversed: [CLS]'s row of the second block times the first.")
rollout.mistake(0.4, "That is the second block alone.")
rollout.mistake(0.25, "That is the first block alone.")
