"""Photos with CADs as aligned samples: what is paired, what is turned away, and that training takes them."""

import numpy as np
import pytest

from flows.preset import PresetError, build_preset
from opendlign_core.ingestion import IngestExecution, IngestRecipe, SourceSpec
from opendlign_core.ingestion.posed.recipe import CropRecipe, PhotoReading
from opendlign_core.projection.layers.recipe import AlignRecipe
from opendlign_core.samples import ImageRecipe, Painted, PosedPhoto
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.align import ALIGN
from tasks.ingest import INGEST
from tasks.train import TRAIN
from tests.tasks.aligned import CPU, SIZE
from tests.tasks.aligned import recipe as train_recipe
from tests.tasks.board import Board
from tests.tasks.making import make

SOURCE = SourceSpec(adapter="painted-photos", name="painted", options={"photos": "48"})
READING = PhotoReading(crop=CropRecipe(height=96, width=96, distance=20.0))
RECIPE = AlignRecipe(size=48, least_shown=0.6, image=ImageRecipe(format="png"))


@pytest.fixture(scope="module")
def photos(shared: Store) -> Manifest:
    recipe = IngestRecipe(source=SOURCE, photo=READING, shard_size=20)
    return make(INGEST, shared, recipe, execution=IngestExecution(workers=1, max_rejected_share=0.0))


@pytest.fixture(scope="module")
def made(shared: Store, photos: Manifest) -> Manifest:
    return make(ALIGN, shared, RECIPE, {"photos": photos})


def pairs(store: Store, manifest: Manifest) -> dict[str, Painted]:
    with SampleReader(store, manifest) as reader:
        return {pair.meta.object_id: pair for pair in (Painted.read(one.key, one.fields) for one in reader)}


def test_every_photo_is_paired_or_turned_away_with_its_reason(shared: Store, photos: Manifest, made: Manifest) -> None:
    with SampleReader(shared, photos) as reader:
        given = {photo.meta.object_id: photo for photo in (PosedPhoto.read(one.key, one.fields) for one in reader)}
    found = pairs(shared, made)
    away = {one.id: one.reason for record in made.shards for one in record.rejected}
    assert found.keys() | away.keys() == given.keys()
    assert not found.keys() & away.keys()
    assert len(found) > 20
    for name, reason in away.items():
        seen = given[name].meta.status in RECIPE.statuses
        assert ("of its CAD, less than the 60%" in reason) if seen else (f"is {given[name].meta.status}" in reason)
    for name, pair in found.items():
        said = given[name].meta
        assert (pair.meta.label, pair.meta.split) == (said.label, said.split)
        assert pair.maps().shape == (1, 48, 48)


def test_what_the_depth_covers_looks_another_than_what_lies_around(shared: Store, made: Manifest) -> None:
    """Were depth and photo not aligned, the colours on both sides of the outline would be alike."""
    across, elsewhere = [], []
    for pair in pairs(shared, made).values():
        inside, picture = pair.maps()[0] < 1, pair.picture(0).astype(float)
        across.append(np.abs(picture[inside].mean(0) - picture[~inside].mean(0)).sum())
        moved = np.roll(inside, 24, (0, 1))
        elsewhere.append(np.abs(picture[moved].mean(0) - picture[~moved].mean(0)).sum())
    assert np.median(across) > 2 * np.median(elsewhere)


def test_training_takes_real_pairs_as_it_takes_painted_ones(shared: Store, photos: Manifest) -> None:
    small = RECIPE.model_copy(update={"size": SIZE})
    aligned = make(ALIGN, shared, small, {"photos": photos})
    model = make(TRAIN, shared, train_recipe(epochs=1), {"aligned": aligned}, CPU)
    assert model.upstream == {"align": aligned.fingerprint}
    assert model.summary["steps"] == -(-aligned.summary["splits"]["train"] // train_recipe().batch_size)


def test_it_shows_its_pairs(shared: Store, made: Manifest) -> None:
    board = Board()
    ALIGN.show(shared, made, board)
    assert {"throughput", "pairs"} <= board.names


def test_a_preset_aligns_photos_and_refuses_shapes() -> None:
    stages = {"align": {"size": 64}, "train": {"clip": "package:mini"}}
    graph = build_preset({"ingest": {"source": {"adapter": "painted-photos"}}, **stages}).graph
    reads = {node.stage.name: node.inputs for node in graph.nodes}
    assert reads["train"] == {"aligned": ("align painted-photos",)}
    assert reads.keys() == {"ingest", "align", "train"}
    with pytest.raises(PresetError, match="the source procedural holds no photos with poses"):
        build_preset({"ingest": {"source": {"adapter": "procedural"}}, **stages})
