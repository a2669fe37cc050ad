"""Exercises of chapter 11, Hybrid RR-ViT."""

from xraylab.check.answers import number


def _map_bytes(answer):
    tokens = 56**2 + 1
    return number(
        answer,
        4 * 8 * tokens**2,
        tolerance=0.5,
        mistakes={
            4 * 8 * 56**4: "Close: [CLS] is a token too, so there are 3137.",
            8 * tokens**2: "That is the number of entries; float32 takes four bytes each.",
            4 * tokens**2: "That is one head; there are eight.",
            4 * 8 * tokens: "The map has a row and a column for every token.",
            4 * 8 * 8 * tokens**2: "That is all eight blocks; one was asked for.",
            4 * 8 * (28**2 + 1) ** 2: "Patches of 8 pixels are RR-ViT's; here they are 4 by 4.",
            315: "Give the whole number of bytes.",
        },
        right="315 MB, for one image and one block of eight.",
    )


def _blocks(answer):
    return number(
        answer,
        77,
        tolerance=1e-9,
        mistakes={
            76: "76 blocks of 41 queries hold 3116; the last 21 need a block too.",
            41: "That is how many queries make a block.",
            75: "A block takes whole queries: round 41.8 down before you divide.",
            76.5: "The last block is shorter, but it is a block.",
            10: "All eight heads share the entries: a query takes 8 x 3137 of them.",
        },
        right="76 blocks of 41 queries, and one of 21.",
    )


EXERCISES = {"blocks": _blocks, "map_bytes": _map_bytes}
"""The exercises by name."""
