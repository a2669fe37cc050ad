"""Exercises of chapter 5, ResNet50."""

from xraylab.check.grading import Exercise

idle = Exercise(26_560, "One parameter in 900 has no effect.")
idle.mistake(26_496, "The first convolution has 64 biases, too.")
idle.mistake(22_720, "The four projection shortcuts have biases, too, 4f each.")
idle.mistake(22_656, "The first convolution and the four projection shortcuts have biases, too.")
idle.mistake(53_120, "Only the biases are redundant; γ and β of the normalization are used.")

positions = Exercise(12.25, "49 positions against 4.")
positions.mistake(3.5, "That is the ratio of the sides; count rows times columns.")
positions.mistake(49, "That is the number of positions at 224 pixels; divide by that at 64.")
positions.mistake(4, "That is the number of positions at 64 pixels.")
