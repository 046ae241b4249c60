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
from storage.stores import Store, open_store
from tasks.dlign import DLIGN, write_parquet
from tasks.ports import Input
from tests.tasks.aligned import CLIP, CPU, VIEWS, write_aligned
from tests.tasks.running import build_output


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def embed(store: Store, aligned: Manifest, recipe: DlignRecipe) -> Manifest:
    return build_output(DLIGN, store, recipe, CPU, {"aligned": [Input(aligned)]})


def read(store: Store, embeddings: Manifest) -> list[ImageEmbedding]:
    with SampleReader(store, embeddings) as reader:
        return [ImageEmbedding.read(sample.key, sample.fields) for sample in reader]


def test_every_object_has_the_unit_embeddings_of_its_images(store: Store) -> None:
    aligned = write_aligned(store, 8)
    found = embed(store, aligned, DlignRecipe(clip=CLIP))
    clip = load_clip(CLIP)
    assert found.samples == aligned.samples == 8
    assert found.upstream == {"synthesize": aligned.fingerprint}
    with SampleReader(store, aligned) as images:
        for sample, embedded in zip(images, read(store, found), strict=True):
            painted = Painted.read(sample.key, sample.fields)
            pixels = images_to_input(torch.from_numpy(painted.pictures()), CLIP)
            with torch.inference_mode():
                expected = torch.nn.functional.normalize(clip.encode_image(pixels), dim=-1).numpy()
            np.testing.assert_allclose(embedded.views, expected, atol=1e-6)
            assert np.linalg.norm(embedded.whole) == pytest.approx(1, abs=1e-5)
            assert embedded.meta == painted.meta.who()


def test_parquet_files_hold_the_same(store: Store, tmp_path: Path) -> None:
    found = embed(store, write_aligned(store, 8), DlignRecipe(clip=CLIP))
    files = write_parquet(store, found, tmp_path / "out")
    assert [path.name for path in files] == ["dlign-000000.parquet", "dlign-000001.parquet"]
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    for row, embedded in zip(rows, read(store, found), strict=True):
        assert {name: row[name] for name in embedded.meta.as_dict()} == embedded.meta.as_dict()
        assert np.array_equal(np.float32(row["embedding"]), embedded.whole)
        assert np.array_equal(np.float32(row["views"]), embedded.views)
        assert len(row["views"]) == VIEWS


def test_a_clip_of_another_size_gets_resized_images(store: Store) -> None:
    assert CLIP.architecture is not None
    vision = {**CLIP.architecture["vision_cfg"], "image_size": 24}
    architecture = FrozenMapping({**CLIP.architecture, "vision_cfg": vision})
    larger = CLIP.model_copy(update={"image_size": 24, "architecture": architecture})
    found = embed(store, write_aligned(store, 2), DlignRecipe(clip=larger))
    embeddings = read(store, found)
    assert len(embeddings) == 2
    assert all(np.isfinite(embedded.views).all() for embedded in embeddings)


def test_clips_are_named_as_open_clip_names_them() -> None:
    def named(clip: str) -> ClipSpec:
        return DlignRecipe.model_validate(DLIGN.spell_out({"clip": clip}, {})).clip

    spec = named("ViT-L-14-336:openai")
    assert spec == tagged_spec("ViT-L-14-336", "openai")
    assert spec.image_size == 336
    assert spec.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073)), "its own constants, not ImageNet's"
    assert named("ViT-B-32:random") == tagged_spec("ViT-B-32", "random")
    with pytest.raises(ValueError, match="no weights 'nonsense' of ViT-B-32"):
        named("ViT-B-32:nonsense")
    with pytest.raises(ValueError, match="write model:tag"):
        named("ViT-B-32")
