"""Exercises of chapter 6, DenseNet121."""

from xraylab.check.grading import Exercise

channels = Exercise(992, "31 times as many as it writes.")
channels.mistake(1024, "That is the number after the last layer; count the layer's input.")
channels.mistake(736, "The 256 channels at the start are part of the input, too.")
channels.mistake(768, "Count the 256 channels at the start, and only 23 layers before it.")

copies = Exercise(15.375, "Fifteen times as much as needed.")
copies.mistake(15_744, "That is the number of channels of all maps; divide by the distinct ones.")
copies.mistake(1024, "That is the number of distinct channels, the divisor.")
copies.mistake(24, "The maps grow: the first has 288 channels, not 1,024.")
copies.mistake(14.625, "Map number l has 256 + 32 l channels, beginning with l = 1.")
