"""Exercises of chapter 11, Hybrid RR-ViT."""

from xraylab.check.grading import Exercise

_TOKENS = 56**2 + 1

map_bytes = Exercise(4 * 8 * _TOKENS**2, "315 MB, for one image and one block of eight.")
map_bytes.mistake(4 * 8 * 56**4, "Nearly: [CLS] is a token, too, so there are 3137.")
map_bytes.mistake(8 * _TOKENS**2, "That is the number of entries; a float32 takes four bytes.")
map_bytes.mistake(4 * _TOKENS**2, "That is one head; there are eight.")
map_bytes.mistake(4 * 8 * _TOKENS, "The map has a row and a column for every token.")
map_bytes.mistake(4 * 8 * 8 * _TOKENS**2, "That is all eight blocks; the question is about one.")
map_bytes.mistake(4 * 8 * (28**2 + 1) ** 2, "RR-ViT's patches are 8 × 8; here they are 4 × 4.")

blocks = Exercise(77, "76 blocks of 41 queries, and one of 21.")
blocks.mistake(76, "76 blocks of 41 queries hold 3116; the last 21 need a block, too.")
blocks.mistake(41, "That is the number of queries in a block.")
blocks.mistake(75, "A block holds whole queries: round 41.8 down before you divide.")
blocks.mistake(76.5, "The last block is shorter, but it is a block.")
blocks.mistake(10, "All eight heads count: one query takes 8 x 3137 entries.")
