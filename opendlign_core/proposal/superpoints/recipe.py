"""What the superpoint proposer can be told. Torch-free."""

from typing import Literal

from pydantic import Field

from opendlign_core.recipe import Recipe


class SuperpointsRecipe(Recipe):
    """How a scene is cut into pieces, and how those are put together. Lengths are in metres."""

    kind: Literal["superpoints"] = "superpoints"
    spacing: float = Field(default=0.03, gt=0)
    """Side of the cubes of which each keeps one point."""
    neighbours: int = Field(default=20, ge=4)
    """Points around each that tell its normal."""
    links: int = Field(default=8, ge=1)
    """Nearest points to which each is linked."""
    reach: float = Field(default=0.12, gt=0)
    """Longest link."""
    tolerances: tuple[float, ...] = Field(default=(0.005, 0.02, 0.1, 0.5), min_length=1)
    """How much bend a small piece takes up; each gives a set of pieces, and boxes of its own."""
    least_piece: int = Field(default=20, ge=1)
    """Points of the smallest piece; smaller ones join a neighbour."""
    structure: float = Field(default=1.0, ge=0)
    """Pieces of the floor and of outer walls that are longer than this are no part of any thing."""
    least_points: int = Field(default=30, ge=1)
    """Of a box."""
    shortest: float = Field(default=0.15, ge=0)
    """Least length of a box's longest side."""
    longest: float = Field(default=4.0, gt=0)
    """Most length of a box's longest side."""
    likeness: float = Field(default=0.85, gt=0, le=1)
    """Of boxes whose IoU is above this one is enough."""
    yaw: bool = False
    """Turn each box about y as its footprint is smallest; otherwise boxes lie along the axes, as ScanNet's do."""
    most: int = Field(default=256, ge=1)
    """Boxes of a scene, best first."""
