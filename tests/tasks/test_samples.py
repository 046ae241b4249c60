"""What an evaluation is given: stored depth maps by name of their projection, as many views as were drawn."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import VIEWS, DatasetSpec, EvalRecipe, EvalSample, evaluate
from opendlign_core.evaluation.cached import Block, FeatureLoader
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import FeaturePlan
from opendlign_core.evaluation.findings import ScoredObjects
from opendlign_core.projection import RECIPES
from opendlign_core.recipe import FrozenMapping, Recipe
from opendlign_core.samples import Cloud, CloudMeta, DepthMaps, ImageRecipe, Painted, PaintedMeta, encode_image
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.catalog import CATALOG
from tasks.features import StoredFeatures
from tasks.samples import EvaluatedOutputs, StoredSamples, objects_to_encode
from tasks.shards import building, finish
from tests.evaluation.tiny import seeded_model

LABELS = ("chair", "table", "mug")
SIZE = 32
ALL = DatasetSpec(name="all", split=None)


class Made(Recipe):
    """Outputs of these tests differ by name alone."""

    name: str


def meta(source: str, number: int) -> CloudMeta:
    split = "train" if number % 2 else "test"
    return CloudMeta(object_id=f"{source}/{number}", source=source, split=split, label=LABELS[number % len(LABELS)])


def write_clouds(store: Store, folder: Path, source: str, objects: int = 12) -> Manifest:
    output, plan = StageOutput(store, StageIdentity.of("ingest", 1, Made(name=source))), plan_shards(objects, 5)
    metas = [meta(source, number) for number in range(objects)]
    for shard in plan:
        with building(output, shard) as builder:
            for one in metas[shard.start : shard.stop]:
                builder.add(Cloud(one, np.zeros((4, 3), np.float32)))
    rows = [{**one.model_dump(include={"object_id", "source", "split", "label"}), "uri": "x"} for one in metas]
    catalog = CATALOG.write(rows, folder / f"{source}.parquet")
    return finish(output, plan, max_rejected_share=0, files={"catalog": catalog})


def maps_of(number: int, views: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng([seed, number])
    return rng.random((views, SIZE, SIZE), dtype=np.float32)


def write_depths(
    store: Store, clouds: Manifest, recipe: Recipe, views: int, seed: int = 0, lacking: Sequence[int] = ()
) -> Manifest:
    identity = StageIdentity.of("project", 1, recipe, {"ingest": clouds.fingerprint})
    output, plan = StageOutput(store, identity), plan_shards(clouds.samples, 5)
    for shard in plan:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                one = meta(clouds.recipe["name"], number)
                if number in lacking:
                    builder.reject(one.object_id, "flat")
                else:
                    builder.add(DepthMaps.of(one, maps_of(number, views, seed)))
    return finish(output, plan, max_rejected_share=0.5)


def write_painted(store: Store, depths: Manifest, numbers: Sequence[int]) -> Manifest:
    identity = StageIdentity.of("synthesize", 1, Made(name="painted"), {"project": depths.fingerprint})
    output, plan = StageOutput(store, identity), plan_shards(1, 1)
    with building(output, plan[0]) as builder:
        for number in numbers:
            drawn = DepthMaps.of(meta("toys", number), maps_of(number, 2, 0))
            image = encode_image(np.full((SIZE, SIZE, 3), number, np.uint8), ImageRecipe(format="png"))
            builder.add(Painted(PaintedMeta.of(drawn.meta), drawn.encoded, (image, image), "png"))
    return finish(output, plan, max_rejected_share=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def toys(store: Store, tmp_path: Path) -> EvaluatedOutputs:
    """One source, drawn with two views by the preset and with six by PointCLIP's projection."""
    clouds = write_clouds(store, tmp_path, "toys")
    own = RECIPES["opendlign"].replace(views=RECIPES["opendlign"].views[:2])
    return EvaluatedOutputs(
        clouds,
        {
            "opendlign": write_depths(store, clouds, own, 2),
            "pointclip": write_depths(store, clouds, RECIPES["pointclip"], 6, seed=1, lacking=(4,)),
        },
    )


def ids(samples: StoredSamples, dataset: DatasetSpec, split: str | None, projection: str = "opendlign") -> list[str]:
    return [sample.object_id for sample in samples.samples(dataset, split, projection)]


def test_a_method_reads_the_projection_it_names(store: Store, toys: EvaluatedOutputs) -> None:
    samples = StoredSamples(store, [toys])
    assert samples.views() == {"opendlign": 2, "pointclip": 6}
    first: EvalSample = next(iter(samples.samples(ALL, None, "opendlign")))
    other: EvalSample = next(iter(samples.samples(ALL, None, "pointclip")))
    np.testing.assert_allclose(first.depth, maps_of(0, 2, 0), atol=1e-4)
    np.testing.assert_allclose(other.depth, maps_of(0, 6, 1), atol=1e-4)
    assert (first.object_id, first.label, first.images) == ("toys/0", "chair", None)


def test_a_projection_that_was_not_drawn_is_one_clear_error(store: Store, toys: EvaluatedOutputs) -> None:
    recipe = EvalRecipe.model_validate({"datasets": [{"name": "all", "split": None}], "methods": ["pointclip-v2"]})
    with pytest.raises(BadInput, match=r"'pointclip-v2' judges .* none of it among these: opendlign, pointclip"):
        evaluate(seeded_model(), recipe, StoredSamples(store, [toys]))


def test_a_source_without_the_projection_is_refused_where_its_objects_are_judged(
    store: Store, toys: EvaluatedOutputs, tmp_path: Path
) -> None:
    clouds = write_clouds(store, tmp_path, "others", 3)
    samples = StoredSamples(store, [toys, EvaluatedOutputs(clouds, {})])
    assert len(ids(samples, DatasetSpec(name="toys", sources=("toys",)), "test")) == 6
    with pytest.raises(BadInput, match=r"all: 3 objects have no depth maps under the projection 'opendlign'"):
        ids(samples, ALL, None)


def test_sources_and_splits_are_told_apart_in_store_order(
    store: Store, toys: EvaluatedOutputs, tmp_path: Path
) -> None:
    clouds = write_clouds(store, tmp_path, "others", 4)
    others = EvaluatedOutputs(clouds, {"opendlign": write_depths(store, clouds, RECIPES["opendlign"], 2)})
    samples = StoredSamples(store, [toys, others])
    assert ids(samples, DatasetSpec(name="a", sources=("others",)), "test") == ["others/0", "others/2"]
    assert ids(samples, ALL, "train")[-2:] == ["others/1", "others/3"]
    assert len(ids(samples, ALL, None)) == 16


def test_the_count_is_that_of_the_samples(store: Store, toys: EvaluatedOutputs) -> None:
    samples = StoredSamples(store, [toys])
    for projection in ("opendlign", "pointclip"):
        for split in ("train", "test", None):
            assert samples.count(ALL, split, projection) == len(ids(samples, ALL, split, projection))
    assert samples.count(ALL, None, "pointclip") == 11, "one could not be drawn"


def test_the_identity_follows_the_projection_that_is_read(store: Store, toys: EvaluatedOutputs) -> None:
    fewer = EvaluatedOutputs(toys.clouds, {"opendlign": toys.depths["opendlign"]})
    both, alone = StoredSamples(store, [toys]), StoredSamples(store, [fewer])
    assert both.identity(ALL, None, "opendlign") == alone.identity(ALL, None, "opendlign")
    assert both.identity(ALL, None, "opendlign") != both.identity(ALL, None, "pointclip")
    assert both.identity(ALL, "test", "opendlign") != both.identity(ALL, None, "opendlign")
    renamed = ALL.model_copy(update={"name": "the same objects"})
    assert both.identity(ALL, None, "opendlign") == both.identity(renamed, None, "opendlign")


def test_painted_images_come_where_they_are_and_are_asked_for(store: Store, toys: EvaluatedOutputs) -> None:
    aligned = write_painted(store, toys.depths["opendlign"], (1, 4, 6))
    samples = StoredSamples(store, [EvaluatedOutputs(toys.clouds, toys.depths, aligned)])
    found = {sample.object_id: sample.images for sample in samples.samples(ALL, None, "opendlign", images=True)}
    assert {name for name, images in found.items() if images is not None} == {"toys/1", "toys/4", "toys/6"}
    images = found["toys/4"]
    assert images is not None
    assert images.shape == (2, SIZE, SIZE, 3)
    assert (images == 4).all()
    assert all(sample.images is None for sample in samples.samples(ALL, None, "opendlign"))


def test_maps_that_were_drawn_elsewhere_say_themselves_how_many_they_are(store: Store, tmp_path: Path) -> None:
    clouds = write_clouds(store, tmp_path, "toys")
    imported = write_depths(store, clouds, Made(name="official"), 3)
    assert StoredSamples(store, [EvaluatedOutputs(clouds, {"opendlign": imported})]).views() == {"opendlign": 3}


def test_data_and_weights_of_other_bytes_have_features_of_their_own(store: Store, toys: EvaluatedOutputs) -> None:
    """Fingerprints stay where a machine that rounds otherwise makes a shard or weights again."""
    (dataset,) = EvalRecipe.model_validate({"datasets": [{"name": "toys", "labels": LABELS}]}).datasets
    depths = toys.depths["opendlign"]
    first, *others = depths.shards
    other = first.model_copy(update={"shard": first.shard.model_copy(update={"sha256": "0" * 64})})
    again = replace(toys, depths={"opendlign": depths.model_copy(update={"shards": (other, *others)})})
    names = {StoredSamples(store, [each]).identity(dataset, None, "opendlign") for each in (toys, again)}
    assert len(names) == 2
    model, block = seeded_model(), Block("base", (0,))
    extractors = (Extractor(each, FeaturePlan((0,), ())) for each in (model, replace(model, weights="b")))
    assert len({FeatureLoader(extractor, "data", None).key(block) for extractor in extractors}) == 2


def test_two_views_are_judged_with_one_through_each_branch(store: Store, toys: EvaluatedOutputs) -> None:
    recipe = EvalRecipe.model_validate(
        {
            "datasets": [{"name": "toys", "labels": LABELS}],
            "tasks": ["zero-shot", "views", "retrieval", "few-shot"],
            "methods": [
                {"name": "split", "text": "name"},
                {"name": "six", "text": "name", "projection": "pointclip", "branches": "base"},
            ],
            "few_shot": {"shots": [1], "seeds": [0]},
        }
    )
    read, told = StoredSamples(store, [toys]), list[None]()
    cache = StoredFeatures(store, "evaluate/x")
    results, judged = evaluate(seeded_model(), recipe, read, cache=cache, advance=lambda: told.append(None))
    scored = [part for part in judged if isinstance(part, ScoredObjects)]
    counts = {(row.dataset, len(row.views)) for row in results.of(VIEWS)}
    assert counts == {("toys", views) for views in range(1, 7)}
    assert [part.scores.shape for part in scored] == [(6, 3), (5, 3)]
    np.testing.assert_allclose(scored[0].scores.sum(axis=1), 2, rtol=1e-5, err_msg="a softmax for each view")
    assert len(told) == objects_to_encode(recipe, read) == 12 + 11
    again, _ = evaluate(seeded_model(), recipe, read, cache=cache, advance=lambda: told.append(None))
    assert again.rows == results.rows
    assert len(told) == 12 + 11, "the second time nothing is read"


def test_what_is_judged_has_a_digest_of_its_objects_and_classes(
    store: Store, toys: EvaluatedOutputs, tmp_path: Path
) -> None:
    samples = StoredSamples(store, [toys])
    judged = samples.judged(DatasetSpec(name="toys"), "opendlign")
    assert judged == samples.judged(DatasetSpec(name="other", train_split=None), "opendlign")
    more = EvaluatedOutputs(write_clouds(store, tmp_path, "others", 3), toys.depths)
    different = {
        samples.judged(DatasetSpec(name="toys"), "pointclip"),  # one object of the test split was not drawn
        samples.judged(DatasetSpec(name="toys", split=None), "opendlign"),
        samples.judged(DatasetSpec(name="toys", labels=("chair", "table")), "opendlign"),
        samples.judged(DatasetSpec(name="toys", aliases=FrozenMapping({"mug": "cup"})), "opendlign"),
        StoredSamples(store, [toys, more]).judged(DatasetSpec(name="toys"), "opendlign"),
    }
    assert len(different | {judged}) == 6
