"""Explanations of trained models, and tests of whether they are right.

* :func:`attention`, :func:`rollout`, :func:`gradient_attention`: transformers;
* :func:`received_attention`, :func:`attention_uniformity`: all attention, windows included;
* :func:`label_maps`, :func:`regions`: LT-ViT, MXA;
* :func:`grad_cam`: models that classify a feature map; :func:`occlusion`: every model;
* :func:`reconstruct`: RR-ViT and Hybrid RR-ViT, with covered patches;
* :func:`localization`: maps against masks, with a permutation and a uniform baseline;
  :func:`recorded_localization`: those of the book's models;
* :func:`segmentation_scores`: Dice, IoU and Hausdorff distances of maps;
* :func:`deletion`, :func:`insertion`, :func:`randomized_parameters`: whether a map depends on the
  model at all.

A map shows what a model uses, not what a patient has.
"""

from xraylab.explain.attention_maps import (
    Region,
    attention,
    gradient_attention,
    label_maps,
    regions,
    rollout,
)
from xraylab.explain.attention_statistics import attention_uniformity, received_attention
from xraylab.explain.faithfulness import (
    area_under_curve,
    deletion,
    insertion,
    randomized_parameters,
    spearman,
)
from xraylab.explain.localization import (
    Localization,
    RecordedLocalization,
    box_masks,
    localization,
    recorded_localization,
    resize_maps,
)
from xraylab.explain.reconstruction import Reconstruction, reconstruct
from xraylab.explain.saliency import grad_cam, occlusion
from xraylab.explain.segmentation import segmentation_scores

__all__ = [
    "Localization",
    "Reconstruction",
    "RecordedLocalization",
    "Region",
    "area_under_curve",
    "attention",
    "attention_uniformity",
    "box_masks",
    "deletion",
    "grad_cam",
    "gradient_attention",
    "insertion",
    "label_maps",
    "localization",
    "occlusion",
    "randomized_parameters",
    "received_attention",
    "reconstruct",
    "recorded_localization",
    "regions",
    "resize_maps",
    "rollout",
    "segmentation_scores",
    "spearman",
]
