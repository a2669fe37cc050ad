"""Exercises of chapter 13, Knowledge distillation."""

import numpy as np
from scipy.special import expit

from xraylab.check.grading import CodeExercise, Exercise

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


def _loss(z, t, tau, student_tau=None):
    z = z / (student_tau or tau)
    return tau**2 * np.nanmean(np.logaddexp(0, z) - z * expit(t / tau))


def _cases():
    rng = np.random.default_rng(13)
    for tau in (1.0, 3.0):
        z, t = rng.normal(0, 3, size=(2, 4, 5))
        t[1, 2] = t[3] = np.nan
        yield z, t, tau


distillation_loss = CodeExercise(_loss, tuple(_cases()), "Unknown labels do not dilute the mean.")
distillation_loss.mistake(
    lambda z, t, tau: _loss(z, np.nan_to_num(t), tau),
    "Unknown labels are not logits of 0: leave them out.",
)
distillation_loss.mistake(
    lambda z, t, tau: _loss(z, t, tau) * np.mean(~np.isnan(t)),
    "Divide by the number of known predictions, not of all.",
)
distillation_loss.mistake(lambda z, t, tau: _loss(z, t, tau) / tau**2, "The factor τ² is missing.")
distillation_loss.mistake(
    lambda z, t, tau: _loss(z, t, tau, student_tau=1),
    "Divide the student's logits by the temperature as well.",
)
