"""Where a trained model looks, asked from the model itself, and whether the finding is there.

* :func:`attention`, :func:`rollout`, :func:`gradient_attention`: transformers;
* :func:`label_maps`, :func:`cross_attention`, :func:`regions`: LT-ViT, DBCT, MXA;
* :func:`grad_cam`: models that answer from a map; :func:`occlusion`: every model;
* :func:`reconstruct`: RR-ViT and Hybrid RR-ViT, with patches covered and heads off;
* :func:`localisation`: maps against masks, beside those of other images (:func:`exchanges`);
* :func:`deletion`, :func:`insertion`, :func:`random_weights`: whether a map has to do with the
  model at all.

A map shows what a model used, not what a patient has.
"""

from xraylab.explain.attention_maps import attention, gradient_attention, rollout
from xraylab.explain.class_activation import grad_cam
from xraylab.explain.faithfulness import (
    area,
    deletion,
    insertion,
    random_weights,
    rank_correlation,
)
from xraylab.explain.localised import (
    MEASURES,
    Localised,
    box_masks,
    exchanges,
    localisation,
    on_image,
    scores_of,
)
from xraylab.explain.looking import attention_layers
from xraylab.explain.occluded import occlusion
from xraylab.explain.reconstruction import Reconstruction, reconstruct
from xraylab.explain.regions import Region, cross_attention, label_maps, regions

__all__ = [
    "MEASURES",
    "Localised",
    "Reconstruction",
    "Region",
    "area",
    "attention",
    "attention_layers",
    "box_masks",
    "cross_attention",
    "deletion",
    "exchanges",
    "grad_cam",
    "gradient_attention",
    "insertion",
    "label_maps",
    "localisation",
    "occlusion",
    "on_image",
    "random_weights",
    "rank_correlation",
    "reconstruct",
    "regions",
    "rollout",
    "scores_of",
]
