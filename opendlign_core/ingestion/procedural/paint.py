"""Paint slots of a solid and the colours that fill them."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Paint(IntEnum):
    """What a triangle is painted with: the object's own two colours, or a fixed one."""

    BODY = 0
    ACCENT = 1
    BLACK = 2
    WHITE = 3
    STEEL = 4
    WOOD = 5
    LEAF = 6
    GLASS = 7
    GOLD = 8


FIXED: dict[Paint, tuple[int, int, int]] = {
    Paint.BLACK: (30, 30, 32),
    Paint.WHITE: (238, 236, 230),
    Paint.STEEL: (150, 154, 160),
    Paint.WOOD: (140, 94, 52),
    Paint.LEAF: (56, 122, 48),
    Paint.GLASS: (148, 190, 206),
    Paint.GOLD: (212, 170, 58),
}

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (200, 40, 36),
    "orange": (232, 128, 32),
    "yellow": (236, 204, 52),
    "green": (52, 148, 64),
    "blue": (44, 88, 192),
    "purple": (128, 60, 164),
    "pink": (236, 136, 172),
    "brown": (124, 78, 44),
    "black": (38, 38, 40),
    "white": (240, 240, 236),
    "gray": (134, 136, 138),
    "beige": (218, 200, 164),
    "turquoise": (52, 184, 180),
}


def palette(
    body: tuple[int, int, int], accent: tuple[int, int, int], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The colour [S, 3] of every slot, each shifted a little so that no two objects are painted alike."""
    table = np.array([body, accent, *(FIXED[slot] for slot in Paint if slot > Paint.ACCENT)], np.float64)
    return np.clip(table + rng.normal(0.0, 7.0, table.shape), 0, 255).round().astype(np.uint8)
