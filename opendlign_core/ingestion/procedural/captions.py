"""Captions that name the shape, its colour and its material, in a few turns of phrase."""

from __future__ import annotations

from opendlign_core.articles import article
from opendlign_core.ingestion.procedural.paint import COLOURS
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape

_USUAL = {
    "tree": ("green", "green", "green", "orange", "yellow", "red", "brown"),
    "potted plant": ("red", "orange", "brown", "white", "blue", "gray", "yellow"),
    "violin": ("brown", "brown", "orange", "red", "black", "yellow"),
    "piano": ("black", "black", "brown", "white", "red"),
    "train": ("black", "green", "red", "blue", "brown"),
}
"""Colours of things that rarely come in every colour."""


def pick_colour(draw: Draw, category: Category) -> str:
    return draw.pick(_USUAL.get(category.label, tuple(COLOURS)))


def caption(draw: Draw, label: str, colour: str, material: str, shape: Shape) -> str:
    """One of three phrasings; every one holds the colour, the material and the label."""
    style = draw.integer(0, 2)
    words = ("" if style == 1 else shape.form, colour, material, shape.kind, label)
    phrase = article(" ".join(word for word in words if word))
    return phrase if style == 0 or not shape.detail else f"{phrase} with {shape.detail}"
