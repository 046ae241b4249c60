"""3DETR-m where its answer can be known without the reference: files that do not fit, scenes that cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from opendlign_core.errors import BadInput
from opendlign_core.proposal.detr.model import propose, read_detr
from opendlign_core.proposal.detr.network import Detr3d
from opendlign_core.proposal.detr.sampling import ball_query, farthest_points
from opendlign_core.proposal.detr.shape import DetrShape

TINY = DetrShape(
    encoder=16, encoder_hidden=8, decoder=12, decoder_hidden=8, layers=2, classes=5, bins=12, heads=2,
    tokens=64, queries=16,
)  # fmt: skip


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model, path = Detr3d(TINY), tmp_path / "tiny.safetensors"
    torch.nn.init.normal_(model.pos_embedding.gauss_B)
    save_file(model.state_dict(), path)
    return path


def tiny(path: Path) -> Detr3d:
    model = read_detr(path, TINY.tokens, TINY.queries)
    assert (model.shape.classes, model.shape.bins, model.shape.layers) == (5, 12, 2)
    return model


def cloud(count: int = 500) -> np.ndarray:
    return np.random.default_rng(0).uniform([-2, 0, -3], [2, 2.5, 3], (count, 3))


def test_the_published_shape_has_the_published_number_of_tensors() -> None:
    assert len(Detr3d(DetrShape()).state_dict()) == 305


def test_boxes_lie_around_the_scene_y_up(weights: Path) -> None:
    model = read_detr(weights, TINY.tokens, TINY.queries)
    found = propose(tiny(weights), cloud())
    assert len(found.boxes) == 16
    assert found.probabilities is not None and found.probabilities.shape == (16, 5)
    np.testing.assert_allclose(found.probabilities.sum(1), found.objectness, atol=1e-6)
    assert (found.boxes.centres >= [-2.5, -0.5, -3.5]).all() and (found.boxes.centres <= [2.5, 3, 3.5]).all()
    assert (found.boxes.sizes <= [4, 2.5, 6]).all()
    again = propose(model, cloud())
    assert np.array_equal(found.boxes.centres, again.boxes.centres)


def test_a_scene_that_is_moved_has_its_boxes_moved(weights: Path) -> None:
    """Far from the origin, where no point is overlooked. Only the raw positions of tokens could betray where it is."""
    away, further = (cloud() + np.array([5, height, 5]) for height in (5, 9))
    here, there = (propose(tiny(weights), points) for points in (away, further))
    np.testing.assert_allclose(there.boxes.centres - here.boxes.centres, np.full((16, 3), [0, 4, 0]), atol=1e-3)
    np.testing.assert_allclose(there.boxes.sizes, here.boxes.sizes, atol=1e-3)


def test_points_at_the_origin_are_never_chosen() -> None:
    points = torch.tensor([[1.0, 0, 0], [0.01, 0, 0], [-1, 0, 0], [0, 0.03, 0]])
    assert farthest_points(points, 4).tolist() == [0, 2, 0, 0]
    assert farthest_points(torch.zeros(5, 3), 3).tolist() == [0, 0, 0]


def test_a_ball_holds_its_first_points_and_repeats_the_first_of_all() -> None:
    points = torch.tensor([[5.0, 0, 0], [0, 0, 0], [0.5, 0, 0], [0.2, 0, 0]])
    centres = torch.tensor([[0.0, 0, 0], [90, 0, 0], [5, 0, 0]])
    assert ball_query(points, centres, 0.5, 3).tolist() == [[1, 3, 1], [0, 0, 0], [0, 0, 0]]
    assert ball_query(points, centres, 0.6, 2).tolist() == [[1, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (np.zeros((0, 3)), "without points"),
        (np.array([[0, 0, np.nan]]), "not finite"),
        (np.array([[0, 0, 0], [1, 0, 1.0]]), "in one plane"),
    ],
)
def test_scenes_that_cannot_be_are_refused(weights: Path, points: np.ndarray, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        propose(tiny(weights), points)


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    text, other, unmasked, torn = (tmp_path / name for name in ("a.pth", "b.pth", "c.pth", "d.safetensors"))
    text.write_text("not a checkpoint")
    torch.save({"state_dict": {}}, other)
    state = Detr3d(TINY).state_dict()
    torch.save({"model": {name: value for name, value in state.items() if "interim" not in name}}, unmasked)
    torn.write_bytes(b"1234")
    for path, told in (
        (text, "cannot be read as a PyTorch checkpoint"),
        (other, "no entry 'model'"),
        (unmasked, "is no 3DETR-m"),
        (torn, "cannot be read as safetensors"),
        (tmp_path / "absent.pth", "cannot be read"),
    ):
        with pytest.raises(BadInput, match=told):
            read_detr(path)
