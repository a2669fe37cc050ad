"""Composition of a scene: patients, their modification by findings, anatomy, devices."""

from dataclasses import dataclass

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom import anatomy
from xraylab.phantom.appearance import tissue_contrasts
from xraylab.phantom.devices import device_attenuation, sample_devices
from xraylab.phantom.finding import sample_finding, sample_severities
from xraylab.phantom.finding_models import DRAWING_ORDER, FINDING_MODELS, MODIFICATION_ORDER
from xraylab.phantom.patient import sample_patients, sample_projections
from xraylab.phantom.rng import uniform
from xraylab.phantom.vessels import vessel_thickness


@dataclass
class Scene:
    """Everything along the rays of a batch of images, before exposure.

    Args:
        chest: the chests. ``chest.water`` is the sum of all layers; ``chest.patient`` are the
            patients after modification by their findings.
        attenuation: (n, size, size), of devices and radiographers' markers.
        devices: (n, 7) uint8, which of :data:`xraylab.phantom.DEVICES` are present.
        findings: the appearance of every finding by name, also of absent ones.
        soft_masks: for each finding that is present, by column: the rows of the images that have
            it, (k,), and a field (k, size, size) that is above 0.5 where the finding is.
        layers: by name, the layers that add up to ``chest.water``, if requested.
    """

    chest: anatomy.Chest
    attenuation: np.ndarray
    devices: np.ndarray
    findings: dict
    soft_masks: dict
    layers: dict


def build_scene(indices, size, seed, present, config, *, keep_layers=False) -> Scene:
    """Build the :class:`Scene` of images with the findings ``present``, (n, 14) zeros and ones."""

    def forced(cue: str) -> np.ndarray:
        return confounded_cue(config.confounder, cue, present, indices, seed)

    portable = forced("projection")
    if config.projection == "NIH":
        portable = sample_projections(present, indices, seed)
    elif config.projection is not None:
        portable = np.full(len(indices), config.projection == "AP")
    patients = sample_patients(indices, seed, portable)
    devices = sample_devices(patients, indices, seed, forced("device"))
    severities = sample_severities(indices, seed, config.severity)
    findings = {
        name: sample_finding(
            indices, seed, name, severities[:, column], FINDING_MODELS[name].bilateral
        )
        for column, name in enumerate(FINDINGS)
    }
    rows_with = {name: np.flatnonzero(present[:, column]) for column, name in enumerate(FINDINGS)}
    for name in MODIFICATION_ORDER:
        rows, modify = rows_with[name], FINDING_MODELS[name].modify_patient
        if modify is not None and len(rows):
            selected = patients.take(rows)
            modify(selected, findings[name].take(rows))
            for attribute, values in vars(selected).items():
                getattr(patients, attribute)[rows] = values

    chest = anatomy.build_chest(patients, indices, seed, size)
    layers, soft_masks = {}, {}
    contrasts = tissue_contrasts(indices, seed) if config.appearance == "randomised" else {}

    def add_layer(name, thickness):
        thickness = thickness * contrasts[name] if contrasts else thickness
        chest.water += thickness
        if keep_layers:
            layers[name] = thickness
        return thickness

    add_layer("body", anatomy.body_thickness(chest))
    add_layer("mediastinum", anatomy.mediastinum_thickness(chest))
    add_layer("bones", anatomy.bone_thickness(chest))
    # Findings hide some of the vessels; the layer contains all of them.
    chest.vessels += add_layer("vessels", vessel_thickness(chest))
    for name in DRAWING_ORDER:
        rows, model = rows_with[name], FINDING_MODELS[name]
        if not len(rows):
            continue
        added, soft_mask = model.draw(chest.take(rows), findings[name].take(rows))
        # Some findings are computed in 64 bits; the layer and the sum must be rounded alike.
        chest.water[rows] += added.astype(np.float32)
        if keep_layers:
            layers[name] = np.zeros_like(chest.water)
            layers[name][rows] = added
        # Air that water has replaced is not available to the next finding.
        chest.air[rows] = np.maximum(chest.air[rows] - np.maximum(added, 0), 0)
        visible = np.clip(1 - soft_mask, 0.0, 1.0)
        if model.replaces_lung:
            # A residue remains, so that a finding that lies there entirely keeps a position.
            chest.lung[rows] *= np.maximum(visible, 0.02)
        chest.vessels[rows] *= 1 - model.hides_vessels * (1 - visible)
        soft_masks[FINDINGS.index(name)] = rows, soft_mask
    attenuation = device_attenuation(chest, devices, forced("marker"))
    return Scene(chest, attenuation, devices, findings, soft_masks, layers)


def confounded_cue(confounder, cue, present, indices, seed) -> np.ndarray:
    """Return on which images a confounder decides about a cue, and how.

    Shapes:
        present: (n, 14) uint8, 0 or 1, the findings on the images.
        indices: (n,) indices of the images.
        returns: (n,) int8: 1 where the cue must be present, 0 where it must be absent, -1 where it
            is sampled; -1 for all images if the confounder is None or has another cue.
    """
    if confounder is None or confounder.cue != cue:
        return np.full(len(present), -1, np.int8)
    tied = uniform(seed, indices, "confounder", 1)[:, 0] < confounder.strength
    return np.where(tied, present[:, FINDINGS.index(confounder.finding)], -1).astype(np.int8)
