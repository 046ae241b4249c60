"""Layered rasters against an exact rasteriser with strict depth peeling."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from opendlign_core.projection.layers import rasterize_layers


def test_layers_of_dual_point_maps(golden_files: Callable[[str], list[Path]]) -> None:
    for path in [*golden_files("dualpm/raster_?.npz"), *golden_files("dualpm/raster_layers_?.npz")]:
        data = np.load(path)
        expected, stable = data["DERIVED_pointmap_BHWNC"], data["DERIVED_stable_BHW"]
        clips, faces, attributes = (
            [torch.from_numpy(data[f"{kind}_{mesh}"]) for mesh in range(len(expected))]
            for kind in ("clip", "faces", "attributes")
        )
        values, coverage = rasterize_layers(clips, faces, attributes, expected.shape[1:3], expected.shape[3])
        assert (coverage.numpy() == (expected[..., 6] > 0))[stable].all()
        np.testing.assert_allclose(values.numpy()[stable], expected[..., :6][stable], atol=1e-4)
