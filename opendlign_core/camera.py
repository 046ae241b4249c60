"""Where a camera stands as ImageNet3D says it: three angles, a distance, and where the object's origin is seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from opendlign_core.pose import Floats, rotation


class Pose(BaseModel):
    """A camera in the frame of a CAD, whose z points up and whose front faces -y. Angles are in radians.

    A camera in front of the object sees it at azimuth 0 and goes round to +x as azimuth grows.

    >>> Pose(azimuth=0, elevation=0, theta=0, distance=5, px=100, py=80).project(np.array([[0.0, 0.0, 0.1]]))
    array([[100.,  40.]])
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    azimuth: float
    elevation: float
    """Positive where the camera is above the object."""
    theta: float
    """Turns the picture, counter-clockwise where positive."""
    distance: float = Field(gt=0)
    """From the camera to the object's origin, in units of the CAD."""
    px: float
    """Column where the origin is seen, and the principal point at once."""
    py: float
    """Row where the origin is seen, growing downwards."""
    viewport: float = Field(default=2000.0, gt=0)
    """Focal length in pixels."""

    def rotation(self) -> Floats:  # [3, 3]
        """From the CAD's frame to the camera's: x right, y up, looking along -z; `theta` has no part in it."""
        return rotation(np.array([self.azimuth, self.elevation, 0.0]))

    def centre(self) -> Floats:  # [3]
        """Where the camera stands in the CAD's frame."""
        level = np.cos(self.elevation)
        towards = [level * np.sin(self.azimuth), -level * np.cos(self.azimuth), np.sin(self.elevation)]
        return self.distance * np.array(towards)

    def depths(self, points: NDArray[np.floating[Any]]) -> Floats:  # [N, 3] -> [N]
        """How far in front of the camera points lie along its axis, in units of the CAD."""
        backwards = self.rotation()[2]
        depths: Floats = (self.centre() - np.asarray(points, np.float64)) @ backwards
        return depths

    def project(self, points: NDArray[np.floating[Any]]) -> Floats:  # [N, 3] -> [N, 2]
        """Columns and rows of points; those behind the camera come out mirrored, as in the reference."""
        # The order of these products decides on which side of a pixel's border a point falls.
        turn = np.diag([self.viewport, self.viewport, -1.0]) @ self.rotation()
        offset = turn @ -self.centre()
        columns, rows, depths = turn @ np.asarray(points, np.float64).T + offset[:, None]
        cos, sin = np.cos(self.theta), np.sin(self.theta)
        flat = np.array([[cos, -sin], [sin, cos]]) @ np.stack([columns / depths, rows / depths])
        return np.stack([flat[0] + self.px, self.py - flat[1]], axis=1)
