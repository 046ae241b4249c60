"""Embeddings of the painted images: what the CLIP itself says of them, as shards and as Parquet."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from opendlign_core.clip import ClipSpec, images_to_input, load_clip, tagged_spec
from opendlign_core.recipe import FrozenMapping
from opendlign_core.samples import ImageEmbedding, Painted
from opendlign_core.training import DlignRecipe
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.dlign import DLIGN, write_parquet
from tasks.train import named_clip
from tests.tasks.aligned import CLIP, CPU, VIEWS
from tests.tasks.making import make


@pytest.fixture(scope="module")
def embedded(shared: Store, aligned: Manifest) -> Manifest:
    return make(DLIGN, shared, DlignRecipe(clip=CLIP), {"aligned": aligned}, CPU)


def embeddings(store: Store, manifest: Manifest) -> list[ImageEmbedding]:
    with SampleReader(store, manifest) as reader:
        return [ImageEmbedding.read(sample.key, sample.fields) for sample in reader]


def test_every_object_has_the_unit_embeddings_of_its_images(
    shared: Store, aligned: Manifest, embedded: Manifest
) -> None:
    clip = load_clip(CLIP)
    assert embedded.samples == aligned.samples == 24
    assert embedded.upstream == {"synthesize": aligned.fingerprint}
    with SampleReader(shared, aligned) as images:
        for image, found in zip(images, embeddings(shared, embedded), strict=True):
            painted = Painted.read(image.key, image.fields)
            pixels = images_to_input(torch.from_numpy(painted.pictures()), CLIP)
            with torch.inference_mode():
                expected = torch.nn.functional.normalize(clip.encode_image(pixels), dim=-1).numpy()
            np.testing.assert_allclose(found.views, expected, atol=1e-6)
            assert np.linalg.norm(found.whole) == pytest.approx(1, abs=1e-5)
            assert found.meta == painted.meta.who()


def test_parquet_files_hold_the_same(shared: Store, embedded: Manifest, tmp_path: Path) -> None:
    files = write_parquet(shared, embedded, tmp_path / "out")
    assert [path.name for path in files] == [f"dlign-{number:06d}.parquet" for number in range(4)]
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    for row, found in zip(rows, embeddings(shared, embedded), strict=True):
        assert (row["object_id"], row["split"]) == (found.meta.object_id, found.meta.split)
        assert np.array_equal(np.float32(row["embedding"]), found.whole)
        assert np.array_equal(np.float32(row["views"]), found.views)
        assert len(row["views"]) == VIEWS


def test_a_clip_of_another_size_gets_resized_images(shared: Store, aligned: Manifest) -> None:
    assert CLIP.architecture is not None
    vision = {**CLIP.architecture["vision_cfg"], "image_size": 24}
    architecture = FrozenMapping({**CLIP.architecture, "vision_cfg": vision})
    larger = CLIP.model_copy(update={"image_size": 24, "architecture": architecture})
    found = make(DLIGN, shared, DlignRecipe(clip=larger), {"aligned": aligned}, CPU)
    assert all(np.isfinite(embedding.views).all() for embedding in embeddings(shared, found))


def clip_called(name: str) -> ClipSpec:
    return ClipSpec.model_validate(named_clip({"clip": name})["clip"])


def test_clips_are_named_as_open_clip_names_them() -> None:
    spec = clip_called("ViT-L-14-336:openai")
    assert spec == tagged_spec("ViT-L-14-336", "openai")
    assert spec.image_size == 336
    assert spec.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073)), "its own constants, not ImageNet's"
    assert clip_called("ViT-B-32:random").weights == "random"
    assert clip_called("package:mini") == ClipSpec.packaged("mini")
    with pytest.raises(ValueError, match="no weights 'nonsense' of ViT-B-32"):
        clip_called("ViT-B-32:nonsense")
    with pytest.raises(ValueError, match="write model:tag"):
        clip_called("ViT-B-32")
