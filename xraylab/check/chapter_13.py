"""Exercises of chapter 13, Knowledge distillation."""

from xraylab.check.grading import Exercise

loss = Exercise(0.3928, "Two predictions with weight 0.4, one with 0.9, each costing ln 2.")
loss.mistake(0.2946, "Divide by the three known teacher predictions, not by four.")
loss.mistake(0.4043, "Unknown is not 0: leave it out of the mean that gives the weight.")
loss.mistake(0.4679, "Unknown is not 0: leave it out of both the weight and the sum.")
loss.mistake(0.6931, "That is the cost of a logit of 0; now weight the labels.")
loss.mistake(0.5667, "That is the mean weight; each prediction also costs ln 2.")
loss.mistake(0.4505, "The mean is over known predictions: the first label has two.")

limit = Exercise(1.0, "A quarter of the difference of the logits: least squares on logits.")
limit.mistake(4.0, "The sigmoid's slope at 0 is 1/4.")
limit.mistake(-1.0, "The student's logit is too high, so the gradient is positive.")
limit.mistake(0.0, "The difference of the sigmoids vanishes, but the temperature multiplies it.")
