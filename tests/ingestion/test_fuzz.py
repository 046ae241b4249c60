"""Damaged files of every format: whatever the damage, the one declared error or a sane shape."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import Mesh, UnreadableShape, read_shape
from tests.ingestion.mutations import damage
from tests.ingestion.samples import SAMPLES

# Compressed LAZ is left to the parser processes: its native reader may abort, which would take the tests along.
IN_PROCESS = sorted(set(SAMPLES) - {".laz"})


@pytest.mark.parametrize("suffix", IN_PROCESS)
def test_damage_never_escapes_the_declared_error(tmp_path: Path, suffix: str) -> None:
    files = [make() for make in SAMPLES[suffix]]
    path = tmp_path / f"damaged{suffix}"
    read = 0
    for number in range(150):
        rng = np.random.default_rng([7, number])
        path.write_bytes(damage(files[number % len(files)], files[-1], suffix, rng))
        try:
            # NumPy's warnings about damaged headers are not errors of the file by themselves.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shape = read_shape(path)
        except UnreadableShape as error:
            assert str(error).startswith(path.name)
            continue
        read += 1
        points = shape.vertices if isinstance(shape, Mesh) else shape.points
        assert points.ndim == 2
        assert np.isfinite(points).all()
        if isinstance(shape, Mesh):
            assert 0 <= shape.faces.min() <= shape.faces.max() < len(points)
    assert read < 150
