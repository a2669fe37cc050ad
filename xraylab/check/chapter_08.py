"""Exercises of chapter 8, MedViT."""

from xraylab.check.grading import Exercise

grouped = Exercise(258_816, "The projection has more parameters than the grouped convolution.")
grouped.mistake(10 * 384**2, "In a grouped convolution each output reads 32 channels, not 384.")
grouped.mistake(9 * 32 * 384, "Add the normalization of the convolution and the 1x1 projection.")
grouped.mistake(9 * 32 * 384 + 384**2, "γ and β of the normalization are missing.")
grouped.mistake(258_816 + 2 * 384, "The running mean and variance are not trainable.")

keys = Exercise(16, "Each key is the mean of one whole row of the feature map.")
keys.mistake(4, "That is at 64 pixels; the map has four times as many positions at 128.")
keys.mistake(49, "That is at 224 pixels.")
keys.mistake(256, "That is the number of queries; each key is the mean of 16 tokens.")
keys.mistake(64, "With sr = 4 a key takes sr² = 16 tokens, not 4.")
