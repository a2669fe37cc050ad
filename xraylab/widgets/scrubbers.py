"""The static face of a probe: frames that lie in the page, and a slider that turns them."""

import html
import json
from collections.abc import Mapping, Sequence
from math import prod

from xraylab.plotting import Figure
from xraylab.widgets.page import Html, colour_bar, picture, widget

LIMIT_BYTES = 700_000
"""What one scrubber may weigh; a page of the book may weigh 1.5 MB."""

# Written into the element itself: no script to load, no name in the page's global space, and any
# number of scrubbers, even the same one twice, work beside each other.
_TURN = """
const box=this.closest('.xraylab');let n=0;
for(const knob of box.querySelectorAll('input')){
n+=knob.value*knob.dataset.stride;
const said=JSON.parse(knob.dataset.values)[knob.value];
knob.setAttribute('aria-valuetext',said);
knob.closest('.knob').querySelector('output').textContent=said}
box.querySelectorAll('.frame').forEach((frame,i)=>{frame.hidden=i!==n;
if(i===n){const shown=frame.firstElementChild;
box.querySelector('.heard').textContent=shown.alt||shown.getAttribute('aria-label')}})
"""

_PICK = """
const shown=event.target.closest('img');if(!shown)return;
const seen=shown.getBoundingClientRect();
const at=[(event.clientY-seen.top)/seen.height,(event.clientX-seen.left)/seen.width];
const knobs=JSON.parse(this.dataset.knobs).map(name=>
[...this.closest('.xraylab').querySelectorAll('input')].find(knob=>knob.dataset.name===name));
knobs.forEach((knob,i)=>{knob.value=Math.floor(at[i]*(+knob.max+1))});
knobs[0].dispatchEvent(new Event('input'))
"""


def scrubber(
    frames: Sequence,
    *,
    labels: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    title: str,
    alt: str | Sequence[str] = "",
    name: str = "frame",
    pick: tuple[str, str] | None = None,
    bar: tuple[str, float, float] | None = None,
) -> Html:
    """Return frames under a slider, or under several sliders, as HTML that needs nothing else.

    Shapes:
        frames: each (height, width) uint8 or float in [0, 1], (height, width, 3) for colour, or a
            :class:`~xraylab.plotting.Figure`. With several sliders the last one turns fastest.

    Args:
        frames: the frames, in the order of the labels.
        labels: what each position of the slider is called, or the labels of every slider by the
            slider's name; by default the frames are numbered.
        title: what the scrubber shows.
        alt: what can be seen: one text a frame, or one text for all, to which the positions of the
            sliders are added. A figure brings its own; where two have the same, they are added too.
        name: the slider's name, where there is one.
        pick: names of two sliders that a click on the picture turns too: the place from above, and
            the place from the left, in as many equal parts as each has positions.
        bar: unit, lowest and highest value of a map in the frames (:func:`plotting.tinted`); shown
            as a bar of its colours.

    Raises:
        ValueError: if frames, labels and texts do not match in number, a frame has no text, all
            together weigh more than :data:`LIMIT_BYTES`, or there is no slider to pick with.
    """
    frames = list(frames)
    if labels is None:
        labels = [str(number) for number in range(1, len(frames) + 1)]
    if not isinstance(labels, Mapping):
        labels = {name: labels}
    labels = {knob: [str(label) for label in named] for knob, named in labels.items()}
    expected = prod(len(named) for named in labels.values())
    if not frames or len(frames) != expected:
        raise ValueError(f"frames: expected {expected} for these labels, got {len(frames)}")
    texts = _texts(frames, labels, alt)
    pictures = [picture(frame, text) for frame, text in zip(frames, texts, strict=True)]
    hidden = [p.replace("<div ", "<div hidden ", 1) if i else p for i, p in enumerate(pictures)]
    knobs, stride = [], len(frames)
    for knob, named in labels.items():
        stride //= len(named)
        knobs.append(_knob(knob, named, stride))
    shown = "".join(hidden)
    if pick is not None:
        require_pick(pick, labels)
        if any(isinstance(frame, Figure) for frame in frames):
            raise ValueError("pick: expected frames of pixels; a figure has more than its image")
        names = html.escape(json.dumps(list(pick), ensure_ascii=False))
        shown = f'<div class="pick" data-knobs="{names}" onclick="{_inline(_PICK)}">{shown}</div>'
    if bar is not None:
        shown += colour_bar(*bar)
    body = shown + '<div class="heard" aria-live="polite"></div>' + "".join(knobs)
    if len(body) > LIMIT_BYTES:
        raise ValueError(
            f"frames: {len(frames)} of them weigh {len(body):,} bytes, more than the "
            f"{LIMIT_BYTES:,} a scrubber may; show fewer, or smaller ones"
        )
    return widget("scrubber", title, body)


def _texts(frames, labels, alt) -> list[str]:
    """Return one text a frame."""
    if not isinstance(alt, str):
        if len(alt) != len(frames):
            raise ValueError(f"alt: expected {len(frames)} texts, one a frame, got {len(alt)}")
        return [str(text) for text in alt]
    places = [""]
    for knob, named in labels.items():
        places = [f"{p}{', ' if p else ''}{knob} {label}" for p in places for label in named]
    if alt:
        return [f"{alt}: {place}" for place in places]
    texts = [frame.alt if isinstance(frame, Figure) else "" for frame in frames]
    if len(set(texts)) < len(texts):  # who only listens must hear that something has changed
        texts = [text and f"{text} ({place})" for text, place in zip(texts, places, strict=True)]
    return texts


def require_pick(pick: tuple[str, str], labels: Mapping[str, Sequence]) -> None:
    """Refuse to pick with anything but two sliders that have positions to turn to."""
    unknown = [knob for knob in pick if len(labels.get(knob, ())) < 2]
    if unknown or len(pick) != 2 or pick[0] == pick[1]:
        raise ValueError(
            f"pick: expected two different sliders of several positions out of {list(labels)}, "
            f"got {pick}"
        )


def _knob(name: str, labels: list[str], stride: int) -> str:
    """Return one slider with its name before it and its position behind it."""
    if len(labels) == 1:
        return ""
    values = html.escape(json.dumps(labels, ensure_ascii=False))
    return (
        f'<label class="knob"><span>{html.escape(name)}</span>'
        f'<input type="range" min="0" max="{len(labels) - 1}" value="0" step="1" '
        f'autocomplete="off" data-name="{html.escape(name)}" data-stride="{stride}" '
        f'data-values="{values}" '
        f'aria-valuetext="{html.escape(labels[0])}" oninput="{_inline(_TURN)}">'
        f'<output aria-hidden="true">{html.escape(labels[0])}</output></label>'
    )


def _inline(script: str) -> str:
    """Return a script as the value of an attribute."""
    return html.escape(" ".join(script.split("\n")).strip())
