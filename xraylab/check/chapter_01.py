"""Exercises of chapter 1, Meet ChestMNIST."""

from xraylab.check.grading import Exercise
from xraylab.findings import FINDINGS
from xraylab.phantom import label_counts


def all_negative() -> Exercise:
    """Build the exercise on the accuracy of predicting no finding on the test split."""
    vectors, counts = label_counts()
    images = counts[:, 2].sum()
    positives = (vectors.T @ counts[:, 2]).sum()
    accuracy = 1 - positives / (images * len(FINDINGS))
    exact_match = counts[vectors.sum(axis=1) == 0, 2].sum() / images
    exercise = Exercise(accuracy, f"Predicting no finding at all is {accuracy:.1%} accurate.")
    exercise.mistake(1 - accuracy, "That is the fraction of positive labels, the error rate.")
    exercise.mistake(exact_match, "That is the exact match: images whose whole vector is empty.")
    exercise.mistake(1 - positives / images, "Divide by images times labels, not by images alone.")
    return exercise


def edema_effusion() -> Exercise:
    """Build the exercise on the fraction of training images with edema that have an effusion."""
    vectors, counts = label_counts()
    edema, effusion = (vectors[:, FINDINGS.index(name)] == 1 for name in ("edema", "effusion"))
    both, train = counts[edema & effusion].sum(axis=0), counts[:, 0]
    fraction = both[0] / train[edema].sum()
    lift = fraction / (train[effusion].sum() / train.sum())
    exercise = Exercise(
        fraction,
        f"That is {lift:.1f} times the fraction among all images: fluid in the lung often comes "
        "with fluid around it.",
        tolerance=5e-4,
    )
    exercise.mistake(
        both[0] / train[effusion].sum(), "That is the reverse: edema, given an effusion."
    )
    exercise.mistake(both[0] / train.sum(), "Divide by the images with edema, not by all images.")
    exercise.mistake(both.sum() / counts[edema].sum(), "Use the training images only.")
    return exercise
