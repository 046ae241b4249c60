"""What the parts of generated shapes are called, the same word for the same thing in every category."""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

PartWord = Literal[
    "armrest", "arm", "back", "barrel", "blade", "body", "book", "booster", "bow", "cabin", "canopy", "cap", "chimney",
    "crown", "door", "drawer", "engine", "fin", "flag", "frame", "handle", "handlebar", "head", "headboard", "hull",
    "keyboard", "label", "leaves", "leg", "lid", "load", "mast", "mattress", "neck", "nose", "pedal", "pillow", "pole",
    "pot", "propeller", "rail", "roof", "rotor", "rung", "sail", "saucer", "screen", "seat", "shade", "shelf", "side",
    "skid", "spout", "stand", "tail", "tank", "top", "trunk", "wall", "wheel", "window", "wing",
]  # fmt: skip

PART_WORDS: tuple[str, ...] = ("", *get_args(PartWord))
"""By number; 0 is a triangle whose part is still to be named."""


@cache
def part_number(word: PartWord) -> int:
    return PART_WORDS.index(word)
