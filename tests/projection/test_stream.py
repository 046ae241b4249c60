import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.projection import RECIPES, ProjectionExecution, ProjectionRecipe, project, project_clouds
from opendlign_core.samples import Cloud, CloudMeta, DepthMaps, Rejected, encode_depth
from tests.projection.shapes import blob

RECIPE = RECIPES["opendlign"].replace(size=48, views=RECIPES["opendlign"].views[:3])
SPLAT = RECIPES["pointclip"].replace(size=48)


def cloud(name: str, points: NDArray[np.float32]) -> Cloud:
    return Cloud(CloudMeta(object_id=f"set/{name}", source="set", split="train", caption=name), points)


def clouds() -> list[Cloud]:
    good = [cloud(f"c{i}", blob(100 + 10 * i, i).numpy()) for i in range(11)]
    good[2] = cloud("flat", np.ones((40, 3), np.float32))
    good[5] = cloud("nan", np.full((40, 3), np.nan, np.float32))
    good[7] = cloud("dtype", np.ones((40, 3)))  # type: ignore[arg-type]
    good[8] = cloud("empty", np.ones((0, 3), np.float32))
    good[9] = cloud("tiny", np.array([[1e-8, 0, 0], [0, 0, 0]], np.float32))
    return good


@pytest.mark.parametrize("recipe", [RECIPE, SPLAT], ids=["windows", "splat"])
def test_bad_clouds_become_rejections_and_harm_nobody(recipe: ProjectionRecipe) -> None:
    results = list(project_clouds(clouds(), recipe, ProjectionExecution(batch_size=4)))
    named = [found.object_id if isinstance(found, Rejected) else found.meta.object_id for found in results]
    assert named == [given.meta.object_id for given in clouds()]
    reasons = {found.object_id: found.reason for found in results if isinstance(found, Rejected)}
    assert set(reasons) == {"set/flat", "set/nan", "set/dtype", "set/empty", "set/tiny"}
    assert "coincide" in reasons["set/flat"]
    assert "NaN" in reasons["set/nan"]
    assert "float64" in reasons["set/dtype"]
    for given, found in zip(clouds(), results, strict=True):
        if isinstance(found, DepthMaps):
            assert found.encoded == encode_depth(project(given.points[None], recipe)[0])


def test_bytes_do_not_depend_on_execution() -> None:
    runs = [
        list(project_clouds(clouds(), RECIPE, ProjectionExecution(batch_size=size, encode_workers=workers)))
        for size, workers in ((1, 1), (3, 2), (64, 3))
    ]
    assert runs[0] == runs[1] == runs[2]


def test_only_the_points_that_the_recipe_takes_are_looked_at() -> None:
    broken = blob(300, 1).numpy()
    broken[200:] = np.nan
    (found,) = project_clouds([cloud("c", broken)], RECIPE.replace(first_points=200))
    (expected,) = project_clouds([cloud("c", broken[:200])], RECIPE)
    assert isinstance(found, DepthMaps)
    assert isinstance(expected, DepthMaps)
    assert found.encoded == expected.encoded


def test_maps_have_the_recipe_s_shape() -> None:
    first = next(project_clouds(clouds(), RECIPE))
    assert isinstance(first, DepthMaps)
    assert first.maps().shape == (3, 48, 48)
    assert (first.meta.views, first.meta.size, first.meta.caption) == (3, 48, "c0")


def test_an_error_of_the_source_arrives_and_threads_end() -> None:
    def source() -> Iterator[Cloud]:
        yield from clouds()[:2]
        raise OSError("shard is gone")

    with pytest.raises(OSError, match="shard is gone"):
        list(project_clouds(source(), RECIPE, ProjectionExecution(batch_size=1)))
    assert not [t for t in threading.enumerate() if t.name.startswith(("prefetched", "mapped"))]


def test_stopping_early_closes_the_source_and_ends_threads() -> None:
    closed = threading.Event()

    def source() -> Iterator[Cloud]:
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
