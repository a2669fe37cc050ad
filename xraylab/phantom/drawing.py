"""Drawing images: patients, what their findings change in them, the chest, findings and metal."""

from dataclasses import dataclass, field

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.anatomy import Chest, body, bones, lay_out, mediastinum
from xraylab.phantom.devices import draw_devices, draw_metal
from xraylab.phantom.knobs import draw_severities, follow
from xraylab.phantom.patient import draw_patients
from xraylab.phantom.projection import draw_projections
from xraylab.phantom.sign import draw_sign
from xraylab.phantom.signs import ALTER_ORDER, PAINT_ORDER, TABLE
from xraylab.phantom.vessels import vessels


@dataclass
class Drawing:
    """A few drawn images, not exposed yet.

    Args:
        chest: the chests; ``water`` is what all layers add up to, ``patient`` who they are, after
            their findings have changed them.
        metal: (n, size, size), attenuation of devices and marks.
        devices: (n, 7), which of :data:`xraylab.phantom.DEVICES` there are.
        signs: the sign of every finding by name, also where the finding is not there.
        found: for each finding that is there, by its column: the images that have it (k,), and a
            field (k, size, size) that is above 0.5 where it is.
        layers: the pictures that add up to ``chest.water``, by name, where they were asked for.
    """

    chest: Chest
    metal: np.ndarray
    devices: np.ndarray
    signs: dict
    found: dict
    layers: dict = field(default_factory=dict)


def draw(indices, size, seed, truth, knobs, *, keep_layers=False):
    """Return the :class:`Drawing` of images with the findings ``truth``, (n, 14) zeros and ones."""

    def forced(cue):
        return follow(knobs.confounder, cue, truth, indices, seed)

    portable = forced("projection")
    if knobs.projection == "NIH":
        portable = draw_projections(truth, indices, seed)
    elif knobs.projection is not None:
        portable = np.full(len(indices), knobs.projection == "AP")
    patients = draw_patients(indices, seed, portable)
    devices = draw_devices(patients, indices, seed, forced("device"))
    severities = draw_severities(indices, seed, knobs)
    signs = {
        name: draw_sign(indices, seed, name, severities[:, column], TABLE[name].both)
        for column, name in enumerate(FINDINGS)
    }
    having = {name: np.flatnonzero(truth[:, column]) for column, name in enumerate(FINDINGS)}
    for name in ALTER_ORDER:
        chosen = having[name]
        if TABLE[name].alter is not None and len(chosen):
            some = patients.rows(chosen)
            TABLE[name].alter(some, signs[name].rows(chosen))
            for attribute, values in vars(some).items():
                getattr(patients, attribute)[chosen] = values

    chest = lay_out(patients, indices, seed, size)
    drawing = Drawing(chest, None, devices, signs, {})

    def add(name, picture):
        chest.water += picture
        if keep_layers:
            drawing.layers[name] = picture

    add("body", body(chest))
    add("mediastinum", mediastinum(chest))
    add("bones", bones(chest))
    full = vessels(chest)
    add("vessels", full)
    chest.vessels += full  # findings hide some of these; the layer keeps them all
    for name in PAINT_ORDER:
        chosen = having[name]
        if not len(chosen):
            continue
        added, where = TABLE[name].paint(chest.rows(chosen), signs[name].rows(chosen))
        # Rounded first, as the layer is: not every finding is drawn in 32 bits.
        chest.water[chosen] += added.astype(np.float32)
        if keep_layers:
            drawing.layers[name] = np.zeros_like(chest.water)
            drawing.layers[name][chosen] = added
        # Air that has given way to water is no longer there for the next finding to fill.
        chest.air[chosen] = np.maximum(chest.air[chosen] - np.maximum(added, 0), 0)
        visible = np.clip(1 - where, 0.0, 1.0)
        if TABLE[name].empties:
            # A trace is left, so that a finding that lies there entirely still has a place.
            chest.lung[chosen] *= np.maximum(visible, 0.02)
        chest.vessels[chosen] *= 1 - TABLE[name].hides * (1 - visible)
        drawing.found[FINDINGS.index(name)] = chosen, where
    drawing.metal = draw_metal(chest, devices, forced("marker"))
    return drawing
