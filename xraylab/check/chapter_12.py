"""Exercises of chapter 12, the MXA block in EfficientViT."""

from xraylab.check.grading import Exercise

parameters = Exercise(170_982, "Nearly all are in the first convolution of the ROI predictor.")
parameters.mistake(170_982 - 4, "The ROI predictor's 1x1 convolution has four biases.")
parameters.mistake(170_982 + 96, "The ROI predictor's 3x3 convolution has no bias.")
parameters.mistake(170_982 + 192 + 12, "The MLP of the channel gate has no biases.")
parameters.mistake(170_982 - 98, "The spatial gate has a 7x7 convolution over two maps.")
parameters.mistake(170_982 - 49, "The spatial gate reads two maps: channel maximum and mean.")

cells = Exercise(3, "One column of three cells, which is then resampled to 196.")
cells.mistake(196, "The box is narrow, but not empty: one column of cells remains.")
cells.mistake(4, "y2 is rounded down as well, so the cell at the lower right is excluded.")
cells.mistake(8, "Coordinates are rounded down, and the last cell is excluded.")
cells.mistake(0.0154, "That is the fraction of the map's area before rounding to cells.")
