"""Explanations of trained models, and tests of whether they are right.

* :func:`attention`, :func:`rollout`, :func:`gradient_attention`: transformers;
* :func:`label_maps`, :func:`cross_attention`, :func:`regions`: LT-ViT, DBCT, MXA;
* :func:`grad_cam`: models that classify a feature map; :func:`occlusion`: every model;
* :func:`reconstruct`: RR-ViT and Hybrid RR-ViT, with covered patches and disabled heads;
* :func:`localization`: maps against masks, with a permutation and a uniform baseline;
* :func:`deletion`, :func:`insertion`, :func:`randomized_parameters`: whether a map depends on the
  model at all.

A map shows what a model uses, not what a patient has.
"""

from xraylab.explain.attention_maps import (
    Region,
    attention,
    cross_attention,
    gradient_attention,
    label_maps,
    regions,
    rollout,
)
from xraylab.explain.faithfulness import (
    area_under_curve,
    deletion,
    insertion,
    randomized_parameters,
    spearman,
)
from xraylab.explain.localization import (
    MEASURES,
    Localization,
    box_masks,
    localization,
    localization_scores,
    permutations,
    resize_maps,
)
from xraylab.explain.reconstruction import Reconstruction, reconstruct
from xraylab.explain.saliency import grad_cam, occlusion

__all__ = [
    "MEASURES",
    "Localization",
    "Reconstruction",
    "Region",
    "area_under_curve",
    "attention",
    "box_masks",
    "cross_attention",
    "deletion",
    "grad_cam",
    "gradient_attention",
    "insertion",
    "label_maps",
    "localization",
    "localization_scores",
    "occlusion",
    "permutations",
    "randomized_parameters",
    "reconstruct",
    "regions",
    "resize_maps",
    "rollout",
    "spearman",
]
