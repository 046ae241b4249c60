import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from opendlign_core.projection import RECIPES, ProjectionExecution, Rejection, project, project_clouds
from opendlign_core.samples import decode_depth, encode_depth
from tests.projection.shapes import blob

torch.set_num_threads(1)
RECIPE = RECIPES["opendlign"].replace(size=48, views=RECIPES["opendlign"].views[:3])
SPLAT = RECIPES["pointclip"].replace(size=48)


def clouds() -> list[tuple[str, NDArray[np.float32]]]:
    good = [(f"c{i}", blob(100 + 10 * i, i).numpy()) for i in range(11)]
    good[2] = ("flat", np.ones((40, 3), np.float32))
    good[5] = ("nan", np.full((40, 3), np.nan, np.float32))
    good[6] = ("shape", np.ones((40, 2), np.float32))
    good[7] = ("dtype", np.ones((40, 3)))
    good[8] = ("empty", np.ones((0, 3), np.float32))
    good[9] = ("tiny", np.array([[1e-8, 0, 0], [0, 0, 0]], np.float32))
    return good


@pytest.mark.parametrize("recipe", [RECIPE, SPLAT], ids=["windows", "splat"])
def test_bad_clouds_become_rejections_and_harm_nobody(recipe: object) -> None:
    assert not isinstance(recipe, str)
    results = list(project_clouds(clouds(), recipe, ProjectionExecution(batch_size=4)))  # type: ignore[arg-type]
    assert [key for key, _ in results] == [key for key, _ in clouds()]
    reasons = {key: result.reason for key, result in results if isinstance(result, Rejection)}
    assert set(reasons) == {"flat", "nan", "shape", "dtype", "empty", "tiny"}
    assert "coincide" in reasons["flat"]
    assert "NaN" in reasons["nan"]
    assert "(40, 2)" in reasons["shape"]
    assert "float64" in reasons["dtype"]
    for (_, points), (_, stored) in zip(clouds(), results, strict=True):
        if isinstance(stored, bytes):
            assert stored == encode_depth(project(points[None], recipe)[0])  # type: ignore[arg-type]


def test_bytes_do_not_depend_on_execution() -> None:
    runs = [
        list(project_clouds(clouds(), RECIPE, ProjectionExecution(batch_size=size, encode_workers=workers)))
        for size, workers in ((1, 1), (3, 2), (64, 3))
    ]
    assert runs[0] == runs[1] == runs[2]


def test_maps_have_the_recipe_s_shape() -> None:
    (_, stored), *_ = project_clouds(clouds(), RECIPE)
    assert isinstance(stored, bytes)
    assert decode_depth(stored).shape == (3, 48, 48)


def test_an_error_of_the_source_arrives_and_threads_end() -> None:
    def source() -> Iterator[tuple[str, NDArray[np.float32]]]:
        yield from clouds()[:2]
        raise OSError("shard is gone")

    with pytest.raises(OSError, match="shard is gone"):
        list(project_clouds(source(), RECIPE, ProjectionExecution(batch_size=1)))
    assert not [t for t in threading.enumerate() if t.name.startswith(("prefetched", "mapped"))]


def test_stopping_early_closes_the_source_and_ends_threads() -> None:
    closed = threading.Event()

    def source() -> Iterator[tuple[str, NDArray[np.float32]]]:
        try:
            while True:
                yield clouds()[0]
        finally:
            closed.set()

    stream = project_clouds(source(), RECIPE, ProjectionExecution(batch_size=2))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert not [t for t in threading.enumerate() if t.name.startswith(("prefetched", "mapped"))]
