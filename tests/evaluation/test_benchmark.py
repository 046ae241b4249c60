from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from opendlign_core.evaluation import (
    DatasetSpec,
    EvalRecipe,
    EvalSample,
    evaluate,
    read_results,
    write_results,
)
from tests.evaluation.tiny import random_samples, seeded_model

CLASSES = ("chair", "table", "lamp", "sofa", "bed", "desk")
TEXT = ("a {}.", "a depth map of a {}.")


@dataclass
class ListSource:
    """Samples in memory; counts how often they were read."""

    test: list[EvalSample]
    train: list[EvalSample] = field(default_factory=list)
    reads: list[tuple[str, str | None, str]] = field(default_factory=list)

    def samples(self, dataset: DatasetSpec, split: str | None, projection: str) -> Iterable[EvalSample]:
        self.reads.append((dataset.name, split, projection))
        return self.train if split == "train" else self.test

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        return f"{dataset.name}/{split}/{projection}/{len(self.test)}"


class MemoryCache(dict[str, Mapping[str, NDArray[Any]]]):
    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        self[key] = arrays


def recipe(**changes: Any) -> EvalRecipe:
    methods = [
        {"name": "opendlign", "text": TEXT},
        {"name": "paper", "text": TEXT, "aggregation": "paper"},
        {"name": "training-free", "text": TEXT, "branches": "base"},
    ]
    values = {"datasets": [{"name": "small", "labels": CLASSES}], "methods": methods, **changes}
    return EvalRecipe.model_validate(values)


def test_methods_share_the_features_of_the_same_pixels() -> None:
    source = ListSource(random_samples(18, CLASSES))
    results, scored = evaluate(seeded_model(), recipe(), source)
    assert source.reads == [("small", "test", "opendlign")]
    assert [row.method for row in results.zero_shot] == ["opendlign", "paper", "training-free"]
    assert all(row.objects == 18 and len(row.classes) == 6 for row in results.zero_shot)
    assert not np.allclose(scored[0].scores, scored[1].scores)


def test_a_second_run_starts_from_the_cache() -> None:
    cache = MemoryCache()
    source = ListSource(random_samples(12, CLASSES))
    first, _ = evaluate(seeded_model(), recipe(), source, cache=cache)
    second, _ = evaluate(seeded_model(), recipe(), source, cache=cache)
    assert len(source.reads) == 1
    assert first.zero_shot == second.zero_shot
    assert "texts" in first.seconds
    assert not {"features", "texts"} & set(second.seconds)
    evaluate(seeded_model(seed=1), recipe(), source, cache=cache)
    assert len(source.reads) == 2, "another model must not reuse the features"


def test_unlabelled_objects_are_left_out_and_counted() -> None:
    samples = random_samples(12, CLASSES)
    strange = [EvalSample("set/x", "spaceship", samples[0].depth), EvalSample("set/y", None, samples[0].depth)]
    results, scored = evaluate(seeded_model(), recipe(), ListSource([*samples, *strange]))
    assert results.zero_shot[0].objects == 12
    assert results.zero_shot[0].left_out == 2
    assert "set/x" not in scored[0].object_ids


def test_aliases_and_labels_from_the_data() -> None:
    samples = [
        EvalSample(s.object_id, "Dining_Table" if s.label == "table" else s.label, s.depth)
        for s in random_samples(12, CLASSES)
    ]
    dataset = {"name": "small", "aliases": {"dining table": "table"}, "labels": CLASSES}
    results, _ = evaluate(seeded_model(), recipe(datasets=[dataset]), ListSource(samples))
    assert results.zero_shot[0].left_out == 0
    found, _ = evaluate(seeded_model(), recipe(datasets=[{"name": "small"}]), ListSource(samples))
    assert sorted(row.name for row in found.zero_shot[0].classes) == sorted(
        ["Dining_Table", *set(CLASSES) - {"table"}]
    )


def test_no_label_among_the_classes_is_one_clear_error() -> None:
    with pytest.raises(ValueError, match="small: no label of its 12 objects is among the 1 classes"):
        evaluate(
            seeded_model(),
            recipe(datasets=[{"name": "small", "labels": ["boat"]}]),
            ListSource(random_samples(12, CLASSES)),
        )


def test_results_survive_the_disk(tmp_path: Path) -> None:
    results, scored = evaluate(seeded_model(), recipe(), ListSource(random_samples(18, CLASSES)))
    write_results(results, scored, tmp_path)
    assert read_results(tmp_path) == results
    rows = pq.read_table(tmp_path / "results.parquet").to_pylist()
    assert len(rows) == 3 * 18
    hits = sum(row["rank"] == 0 for row in rows if row["method"] == "opendlign")
    assert hits / 18 == pytest.approx(results.zero_shot[0].top1.value)
    assert all((row["prediction"] == row["label"]) == (row["rank"] == 0) for row in rows)
    np.testing.assert_allclose(rows[0]["scores"], scored[0].scores[0], rtol=1e-6)
