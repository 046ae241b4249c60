"""3DETR and what it proposes on a CUDA device, against the CPU; everything else of scenes is worked out on the CPU."""

import numpy as np
import pytest
import torch

from opendlign_core.ingestion.procedural.rooms.room import procedural_room
from opendlign_core.overlap import iou
from opendlign_core.proposal.detr.model import propose
from opendlign_core.proposal.detr.network import Detr3d
from opendlign_core.proposal.detr.sampling import ball_query, farthest_points
from opendlign_core.proposal.detr.shape import DetrShape

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def points(count: int = 20_000) -> np.ndarray:
    room = procedural_room(0, 2).points
    return room[np.random.default_rng(0).choice(len(room), count, replace=len(room) < count)]


def test_the_same_points_become_tokens() -> None:
    cloud = torch.from_numpy(points().astype(np.float32))
    chosen = farthest_points(cloud, 512)
    assert torch.equal(farthest_points(cloud.cuda(), 512).cpu(), chosen)
    near = ball_query(cloud, cloud[chosen], 0.2, 64)
    # A point at the rim of a ball may fall on its other side by a rounding, which moves those after it.
    assert (ball_query(cloud.cuda(), cloud[chosen].cuda(), 0.2, 64).cpu() == near).all(1).float().mean() > 0.99


def test_the_published_shape_proposes_the_boxes_that_it_proposes_on_the_cpu() -> None:
    torch.manual_seed(0)
    model, scene = Detr3d(DetrShape()).eval().requires_grad_(False), points()
    torch.nn.init.normal_(model.pos_embedding.gauss_B)
    expected = propose(model, scene)
    found = propose(model.cuda(), scene)
    assert len(found.boxes) == len(expected.boxes) == 256
    same = np.diag(iou(found.boxes, expected.boxes))
    assert np.median(same) > 0.99 and (same > 0.9).mean() > 0.95  # a token that differs moves what looks at it
    np.testing.assert_allclose(np.median(found.objectness - expected.objectness), 0, atol=1e-3)
