"""Embeddings of the painted images: what the CLIP itself says of them, as shards and as Parquet."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from opendlign.adapters import named_clip

from opendlign_core.clip import ClipSpec, images_to_input, load_clip, tagged_spec
from opendlign_core.recipe import FrozenMapping
from opendlign_core.samples import Painted
from opendlign_core.training import DlignRecipe
from storage.reader import SampleReader
from storage.records import Manifest
from storage.stores import Store, open_store
from tasks import dlign as stage
from tasks.shards import ShardWork
from tests.tasks.aligned import CLIP, CPU, VIEWS, write_aligned


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def embed(store: Store, aligned: Manifest, recipe: DlignRecipe) -> Manifest:
    planned = stage.plan(store, recipe, aligned)
    stage.dlign_shard.fn(ShardWork(store.url, planned.output.identity, planned.missing), recipe, CPU, aligned)
    return stage.commit(planned)


def test_every_object_has_the_unit_embeddings_of_its_images(store: Store) -> None:
    aligned = write_aligned(store, 8)
    found = embed(store, aligned, DlignRecipe(clip=CLIP))
    clip = load_clip(CLIP)
    assert found.samples == aligned.samples == 8
    assert found.upstream == {"synthesize": aligned.fingerprint}
    with SampleReader(store, aligned) as images, SampleReader(store, found) as embeddings:
        for painted, embedded in zip(images, embeddings, strict=True):
            assert embedded.key == painted.key
            pixels = images_to_input(torch.from_numpy(Painted.read(painted.key, painted.fields).pictures()), CLIP)
            with torch.inference_mode():
                expected = torch.nn.functional.normalize(clip.encode_image(pixels), dim=-1).numpy()
            np.testing.assert_allclose(embedded.array("views.npy"), expected, atol=1e-6)
            assert np.linalg.norm(embedded.array("object.npy")) == pytest.approx(1, abs=1e-5)
            assert embedded.json()["caption"] == painted.json()["caption"]


def test_parquet_files_hold_the_same(store: Store, tmp_path: Path) -> None:
    found = embed(store, write_aligned(store, 8), DlignRecipe(clip=CLIP))
    files = stage.write_parquet(store, found, tmp_path / "out")
    assert [path.name for path in files] == ["dlign-000000.parquet", "dlign-000001.parquet"]
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    with SampleReader(store, found) as reader:
        for row, sample in zip(rows, reader, strict=True):
            assert row["object_id"] == sample.json()["object_id"]
            assert row["split"] == sample.json()["split"]
            assert np.array_equal(np.float32(row["embedding"]), sample.array("object.npy"))
            assert np.array_equal(np.float32(row["views"]), sample.array("views.npy"))
            assert len(row["views"]) == VIEWS


def test_a_clip_of_another_size_gets_resized_images(store: Store) -> None:
    assert CLIP.architecture is not None
    vision = {**CLIP.architecture["vision_cfg"], "image_size": 24}
    architecture = FrozenMapping({**CLIP.architecture, "vision_cfg": vision})
    larger = CLIP.model_copy(update={"image_size": 24, "architecture": architecture})
    found = embed(store, write_aligned(store, 2), DlignRecipe(clip=larger))
    with SampleReader(store, found) as reader:
        assert all(np.isfinite(sample.array("views.npy")).all() for sample in reader)


def test_clips_are_named_as_open_clip_names_them() -> None:
    spec = named_clip("ViT-L-14-336:openai")
    assert spec == tagged_spec("ViT-L-14-336", "openai")
    assert spec.image_size == 336
    assert spec.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073)), "its own constants, not ImageNet's"
    assert isinstance(named_clip("ViT-B-32:random"), ClipSpec)
    with pytest.raises(ValueError, match="no weights 'nonsense' of ViT-B-32"):
        named_clip("ViT-B-32:nonsense")
    with pytest.raises(ValueError, match="write model:tag"):
        named_clip("ViT-B-32")
