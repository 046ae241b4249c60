"""Places of points and tokens of patches on a CUDA device, against the CPU."""

import numpy as np
import pytest
import torch

from bench.projection import chair
from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.clip.tokens import Attention, patch_tokens
from opendlign_core.projection import RECIPES, maps_and_places, project_points
from opendlign_core.samples import LOOKUPS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("name", ["opendlign", "pointclip-v2-seg"])
def test_points_have_the_places_that_they_have_on_the_cpu(name: str) -> None:
    points, recipe = chair(1500, 0), RECIPES[name].replace(places=LOOKUPS)
    (expected, known), (maps, places) = maps_and_places(points, recipe), maps_and_places(points.cuda(), recipe)
    torch.testing.assert_close(maps.cpu(), expected, atol=1e-5, rtol=0)
    assert np.array_equal(places.row, known.row) and np.array_equal(places.column, known.column)
    for lookup in LOOKUPS:
        # What differs by a rounding from the bound of what is seen may fall on its other side.
        assert (places.seen[lookup] != known.seen[lookup]).mean() < 1e-3
    found = project_points(points[None].cuda(), recipe)
    assert found.rows.is_cuda and np.array_equal(found.rows[0].cpu().numpy(), known.row)


@pytest.mark.parametrize(("attention", "blocks"), [("plain", 1), ("value", 3), ("self", 1)])
def test_patches_have_the_tokens_that_they_have_on_the_cpu(attention: Attention, blocks: int) -> None:
    clip = load_clip(ClipSpec(model="ViT-B-16", weights="random"))
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = patch_tokens(clip, pixels, attention, blocks)
        found = patch_tokens(clip.cuda(), pixels.cuda(), attention, blocks).cpu()
    assert torch.nn.functional.cosine_similarity(found, expected, dim=-1).min() > 0.9999
