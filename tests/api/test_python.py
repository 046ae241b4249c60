"""What people call from Python, with the real parts behind it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import opendlign_core as od
from flows.preset import load_preset
from opendlign_core.api.model import SHAPES_FILE, Model, Seeing
from opendlign_core.clip import packaged_folder
from opendlign_core.projection import RECIPES, project
from tests.servers import ROOT


@pytest.fixture(scope="module")
def model() -> Model:
    return od.load("package:mini", device="cpu")


def test_a_mesh_is_projected_as_the_stages_would() -> None:
    small = RECIPES["opendlign"].replace(size=48)
    mesh = od.toy("chair", 3)
    points = od.sample(mesh, 700)
    expected = project(points[None], small)[0].numpy()
    assert np.array_equal(od.project(mesh, small, points=700), expected)
    assert np.array_equal(od.project([mesh, points], small, points=700), np.stack([expected, expected]))


def test_tensors_give_tensors_and_arrays_give_arrays() -> None:
    small, points = RECIPES["opendlign"].replace(size=48), od.sample(od.toy("mug"), 300)
    from_array, from_tensor = od.project(points, small), od.project(torch.from_numpy(points), small)
    assert isinstance(from_array, np.ndarray) and isinstance(from_tensor, torch.Tensor)
    assert np.array_equal(from_array, from_tensor.numpy())
    assert od.project(np.stack([points, points]), small).shape == (2, *from_array.shape)


def test_an_up_axis_is_turned_to_y() -> None:
    points = np.random.default_rng(0).random((40, 3)).astype(np.float32) * (1, 1, 9)
    assert np.ptp(od.sample(points, 40, up="z")[:, 1]) == pytest.approx(np.ptp(points[:, 2]))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: od.read("absent.off"), "absent.off does not exist"),
        (lambda: od.sample(np.zeros((4, 2), np.float32)), r"the shape has the points \[4, 2\]; a cloud is \[N, 3\]"),
        (lambda: od.project(np.zeros(3, np.float32)), r"points must be \[N, 3\] or \[B, N, 3\], not \[3\]"),
        (lambda: od.project([]), "there is no shape to project"),
        (lambda: od.project(np.full((5, 3), np.nan, np.float32)), "NaN or infinite"),
        (lambda: od.sample(od.toy("mug"), 0), "points=0: Input should be greater than"),
        (lambda: od.sample(od.toy("mug"), 9, up="q"), "up_axis='q': Input should be"),  # type: ignore[arg-type]
        (lambda: od.sample("mug.glb"), "a shape must be an array or a tensor, not str; od.read reads files"),  # type: ignore[arg-type]
        (lambda: od.project("mug.glb"), "not str; od.read reads files"),  # type: ignore[arg-type]
        (lambda: od.project([None]), "a shape must be an array or a tensor, not NoneType"),  # type: ignore[list-item]
        (lambda: od.paint(np.zeros((0, 8, 8), np.float32), "x"), r"depth maps must be \[V, S, S\], with a view"),
        (lambda: od.paint(np.full((1, 8, 8), 2, np.float32), "x"), r"depth must be finite and lie in \[0, 1\]"),
        (lambda: od.load("nowhere"), "nowhere holds 0 trained models, nor a CLIP"),
        (lambda: od.load("s3://bucket/prefix"), "weights export FOLDER --format open-clip --store s3://bucket/prefix"),
        (lambda: od.load("package:maxi"), "ships no checkpoint named 'maxi'"),
    ],
)
def test_bad_input_is_named(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(od.BadInput, match=message):
        ask()


def test_what_the_model_cannot_take_is_named(model: Model) -> None:
    with pytest.raises(od.BadInput, match=r"pictures must be \[N, H, W, 3\]"):
        od.embed_pictures(model, np.zeros((8, 8, 3), np.float32))
    with pytest.raises(od.BadInput, match="there is nothing to embed"):
        od.embed(model, [])
    with pytest.raises(od.BadInput, match=r"labels must be a list, such as \['mug'\], not the text 'mug'"):
        od.classify(model, od.toy("mug"), "mug")
    with pytest.raises(od.BadInput, match="words must be a list"):
        od.embed_words(model, "a mug")
    with pytest.raises(od.BadInput, match="there are no words to embed"):
        od.embed_words(model, [])


def test_an_index_that_is_none_is_named(model: Model, tmp_path: Path) -> None:
    (tmp_path / "no.parquet").write_text("x")
    for path, top, message in (
        ("absent", 1, "no index at"),
        ("no.parquet", 1, "is not an index"),
        ("absent", 0, "top=0"),
    ):
        with pytest.raises(od.BadInput, match=message):
            od.search(model, tmp_path / path, "a mug", top=top)
    with pytest.raises(od.BadInput, match=r"x.csv: an index is a Parquet file, name one that ends in .parquet"):
        od.index(model, {"mug": od.toy("mug")}, tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


def test_tensors_are_embedded_as_tensors(model: Model) -> None:
    points = od.sample(od.toy("mug"), 1000)
    from_array, from_tensor = od.embed(model, points), od.embed(model, torch.from_numpy(points))
    assert isinstance(from_tensor, torch.Tensor) and np.array_equal(from_array, from_tensor.numpy())
    picture = torch.rand(1, 64, 64, 3, requires_grad=True)
    assert isinstance(od.embed_pictures(model, picture), torch.Tensor)


def test_the_packaged_clip_sees_shapes_as_its_preset_does() -> None:
    preset = load_preset("mini")
    expected = Seeing(projection=preset.recipes["project"], points=preset.source.points)
    assert Seeing.of(packaged_folder("mini")) == expected
    assert (packaged_folder("mini") / SHAPES_FILE).is_file()


def test_words_pictures_and_shapes_meet(model: Model) -> None:
    labels = ["mug", "chair", "car"]
    shapes = [od.toy(label, 5) for label in labels]
    near = od.embed(model, shapes) @ od.embed_words(model, [f"a {label}" for label in labels]).T
    assert near.argmax(axis=1).tolist() == [0, 1, 2]
    assert [found.prediction for found in od.classify(model, shapes, labels)] == labels
    painted = od.paint(od.project(shapes[0], model.seeing.projection)[:1], "a red mug")
    as_bytes, as_shares = od.embed_pictures(model, painted), od.embed_pictures(model, painted / np.float32(255))
    assert np.allclose(as_bytes, as_shares, atol=1e-6)
    assert np.linalg.norm(as_bytes) == pytest.approx(1, abs=1e-5)


def test_an_index_is_searched_by_words_and_by_shape(model: Model, tmp_path: Path) -> None:
    shapes = {label: od.toy(label, 2) for label in ("mug", "chair", "car")}
    assert od.index(model, shapes, tmp_path / "toys.parquet") == 3
    assert od.search(model, tmp_path / "toys.parquet", "a car")[0].object_id == "car"
    (found,) = od.search(model, tmp_path / "toys.parquet", shape=shapes["mug"], top=1)
    assert found.object_id == "mug" and found.score == pytest.approx(1, abs=1e-5)


def test_the_quickstart_runs(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "quickstart.py"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "a wooden chair with four legs: chair" in done.stdout
    assert (tmp_path / "mug.png").stat().st_size > 1000


def test_a_checker_is_told_that_there_are_types() -> None:
    assert (ROOT / "opendlign_core" / "py.typed").is_file()
