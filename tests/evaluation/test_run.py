import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import (
    METHODS,
    VIEWS,
    ZERO_SHOT,
    EvalRecipe,
    EvalSample,
    evaluate,
    read_results,
    write_results,
)
from opendlign_core.evaluation.findings import Judged, ScoredObjects
from opendlign_core.evaluation.lab import Lab
from opendlign_core.evaluation.model import Encoder
from opendlign_core.evaluation.specs import Branch
from tests.evaluation.sources import CLASSES, TEXT, ListSource, MemoryCache, ProjectedSource
from tests.evaluation.tiny import random_samples, seeded_model


class Diverged:
    """An encoder one of whose parts answers with NaN, as weights do that training has lost."""

    def __init__(self, encoder: Encoder, broken: str) -> None:
        self.encoder, self.broken = encoder, broken

    def encode_image(self, images: torch.Tensor, branch: Branch = "base") -> torch.Tensor:
        return self.encoder.encode_image(images, branch) * (np.nan if branch == self.broken else 1)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.encoder.encode_text(tokens) * (np.nan if self.broken == "text" else 1)


def recipe(**changes: Any) -> EvalRecipe:
    methods = [
        {"name": "opendlign", "text": TEXT},
        {"name": "paper", "text": TEXT, "aggregation": "paper"},
        {"name": "training-free", "text": TEXT, "branches": "base"},
    ]
    values = {"datasets": [{"name": "small", "labels": CLASSES}], "methods": methods, **changes}
    return EvalRecipe.model_validate(values)


def scores_of(part: Judged) -> NDArray[np.float32]:
    assert isinstance(part, ScoredObjects)
    return part.scores


def test_methods_share_the_features_of_the_same_pixels() -> None:
    source = ListSource(random_samples(18, CLASSES))
    results, scored = evaluate(seeded_model(), recipe(), source)
    assert source.reads == [("small", "test", "opendlign")]
    assert [row.method for row in results.of(ZERO_SHOT)] == ["opendlign", "paper", "training-free"]
    assert all(row.objects == 18 and len(row.classes) == 6 for row in results.of(ZERO_SHOT))
    assert not np.allclose(scores_of(scored[0]), scores_of(scored[1]))


def test_a_data_set_is_judged_with_the_words_it_wants() -> None:
    def scores(text: str, **words: Any) -> NDArray[np.float32]:
        method = {"name": "m", "text": text, "branches": "base"}
        given = recipe(datasets=[{"name": "small", "labels": CLASSES, **words}], methods=[method])
        return scores_of(evaluate(seeded_model(), given, ListSource(random_samples(6, CLASSES)))[1][0])

    worded = scores("sentence", texts={"sentence": "name"})
    np.testing.assert_array_equal(worded, scores("name"))
    assert not np.allclose(worded, scores("sentence"))


def test_a_second_run_starts_from_the_cache() -> None:
    cache = MemoryCache()
    source = ListSource(random_samples(12, CLASSES))
    first, _ = evaluate(seeded_model(), recipe(), source, cache=cache)
    second, _ = evaluate(seeded_model(), recipe(), source, cache=cache)
    assert len(source.reads) == 1
    assert first.of(ZERO_SHOT) == second.of(ZERO_SHOT)
    assert "texts" in first.seconds
    assert not {"features", "texts"} & set(second.seconds)
    evaluate(seeded_model(seed=1), recipe(), source, cache=cache)
    assert len(source.reads) == 2, "another model must not reuse the features"


def test_other_methods_on_the_same_data_start_from_the_cache() -> None:
    cache = MemoryCache()
    source = ListSource(random_samples(12, CLASSES))
    both = recipe(methods=[{"name": "both", "text": TEXT, "branches": "both"}])
    plain, _ = evaluate(seeded_model(), both, source)
    evaluate(seeded_model(), recipe(), source, cache=cache)
    assert len(source.reads) == 2
    halves, _ = evaluate(seeded_model(), both, source, cache=cache)
    assert len(source.reads) == 3, "the tuned branch has not seen the first half of the views"
    assert halves.of(ZERO_SHOT) == plain.of(ZERO_SHOT)
    evaluate(seeded_model(), both, source, cache=cache)
    assert len(source.reads) == 3


def test_unlabelled_objects_are_left_out_and_counted() -> None:
    samples = random_samples(12, CLASSES)
    strange = [EvalSample("set/x", "spaceship", samples[0].depth), EvalSample("set/y", None, samples[0].depth)]
    results, scored = evaluate(seeded_model(), recipe(), ListSource([*samples, *strange]))
    assert results.of(ZERO_SHOT)[0].objects == 12
    assert results.of(ZERO_SHOT)[0].left_out == 2
    assert "set/x" not in scored[0].object_ids


def test_aliases_and_labels_from_the_data() -> None:
    samples = [
        EvalSample(s.object_id, "Dining_Table" if s.label == "table" else s.label, s.depth)
        for s in random_samples(12, CLASSES)
    ]
    dataset = {"name": "small", "aliases": {"dining table": "table"}, "labels": CLASSES}
    results, _ = evaluate(seeded_model(), recipe(datasets=[dataset]), ListSource(samples))
    assert results.of(ZERO_SHOT)[0].left_out == 0
    found, _ = evaluate(seeded_model(), recipe(datasets=[{"name": "small"}]), ListSource(samples))
    assert sorted(row.name for row in found.of(ZERO_SHOT)[0].classes) == sorted(
        ["Dining_Table", *set(CLASSES) - {"table"}]
    )


def test_one_label_in_another_case_opens_no_class() -> None:
    samples = random_samples(24, CLASSES)
    odd = [replace(sample, label="Chair") if place == 6 else sample for place, sample in enumerate(samples)]
    plain, _ = evaluate(seeded_model(), recipe(datasets=[{"name": "small"}]), ListSource(samples))
    mixed, _ = evaluate(seeded_model(), recipe(datasets=[{"name": "small"}]), ListSource(odd))
    assert mixed.of(ZERO_SHOT) == plain.of(ZERO_SHOT)


def test_aliases_overlook_case_where_labels_come_from_the_data() -> None:
    samples = [
        replace(sample, label="Dining_Table" if sample.label == "table" else sample.label)
        for sample in random_samples(12, CLASSES)
    ]
    dataset = {"name": "small", "aliases": {"dining table": "table"}}
    results, _ = evaluate(seeded_model(), recipe(datasets=[dataset]), ListSource(samples))
    assert [row.name for row in results.of(ZERO_SHOT)[0].classes] == sorted(CLASSES)


def test_a_data_set_of_one_class_can_be_read_again(tmp_path: Path) -> None:
    samples = [sample for sample in random_samples(12, CLASSES) if sample.label == "chair"]
    results, scored = evaluate(seeded_model(), recipe(datasets=[{"name": "small"}]), ListSource(samples))
    write_results(results, scored, tmp_path)
    assert read_results(tmp_path) == results
    assert all(np.isfinite(example.margin) for example in results.examples)


def test_no_file_is_written_that_its_reader_refuses(tmp_path: Path) -> None:
    results, scored = evaluate(seeded_model(), recipe(), ListSource(random_samples(12, CLASSES)))
    example = results.examples[0].model_copy(update={"margin": float("nan")})
    with pytest.raises(ValueError, match="cannot be read back"):
        write_results(results.model_copy(update={"examples": (example,)}), scored, tmp_path)


@pytest.mark.parametrize("broken", ["base", "depth"])
def test_features_that_are_no_numbers_stop_the_evaluation(broken: str) -> None:
    model = replace(seeded_model(), encoder=Diverged(seeded_model().encoder, broken))
    with pytest.raises(BadInput, match=f"set/000: the {broken} branch .* not finite"):
        evaluate(model, recipe(), ListSource(random_samples(6, CLASSES)))


def test_remembered_features_that_are_no_numbers_are_computed_anew() -> None:
    cache = MemoryCache()
    source = ListSource(random_samples(12, CLASSES))
    first, _ = evaluate(seeded_model(), recipe(), source, cache=cache)
    for key, arrays in cache.items():
        cache[key] = {
            name: array * np.float32("nan") if array.dtype == np.float32 else array for name, array in arrays.items()
        }
    again, _ = evaluate(seeded_model(), recipe(), source, cache=cache)
    assert again.of(ZERO_SHOT) == first.of(ZERO_SHOT)


def test_texts_that_are_no_numbers_stop_the_evaluation() -> None:
    model = replace(seeded_model(), encoder=Diverged(seeded_model().encoder, "text"))
    with pytest.raises(BadInput, match=r"'chair': .* not finite"):
        evaluate(model, recipe(), ListSource(random_samples(6, CLASSES)))


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
    assert hits / 18 == pytest.approx(results.of(ZERO_SHOT)[0].top1.value)
    assert all((row["prediction"] == row["label"]) == (row["rank"] == 0) for row in rows)
    np.testing.assert_allclose(rows[0]["scores"], scores_of(scored[0])[0], rtol=1e-6)


def test_every_ready_method_runs_on_its_projection() -> None:
    source = ProjectedSource(random_samples(12, CLASSES))
    methods = [method.model_copy(update={"text": TEXT}) for method in METHODS.values()]
    given = recipe(methods=[method.model_dump() for method in methods], tasks=["zero-shot", "views"])
    results, _ = evaluate(seeded_model(), given, source)
    assert [row.method for row in results.of(ZERO_SHOT)] == list(METHODS)
    counts = {name: max(len(row.views) for row in results.of(VIEWS) if row.method == name) for name in METHODS}
    assert counts == {name: 6 if name == "clip-pointclip" else 10 for name in METHODS}


def test_the_primary_method_is_the_first_with_the_tuned_branch() -> None:
    baselines_first = recipe(methods=["training-free", "opendlign", "aligned-texts"])
    assert baselines_first.primary.name == "opendlign"
    assert recipe(methods=["training-free", "contour-only"]).primary.name == "training-free"
    methods = [{"name": "plain", "branches": "base", "text": TEXT}, {"name": "tuned", "text": TEXT}]
    results, _ = evaluate(seeded_model(), recipe(methods=methods), ListSource(random_samples(12, CLASSES)))
    assert [row.method for row in results.primary_of(results.of(ZERO_SHOT))] == ["tuned"]
    assert {example.method for example in results.examples} == {"tuned"}


def test_searched_view_weights_serve_any_number_of_views() -> None:
    head = {"name": "head", "aggregation": "pointclip-v2", "branches": "base", "text": TEXT}
    weighted = {**head, "view_weights": [1.0, 0.5, 0.25, 1.0, 0.5, 0.25, 1.0, 0.5, 0.25, 1.0]}
    given = recipe(methods=[weighted], tasks=["views"], view_counts=[1, 4, 10])
    results, _ = evaluate(seeded_model(), given, ListSource(random_samples(12, CLASSES)))
    assert [len(row.views) for row in results.of(VIEWS)] == [1, 4, 10]
    few = recipe(methods=[{**head, "view_weights": [1, 1, 1]}])
    with pytest.raises(BadInput, match="'head': 3 view weights, but its projection 'opendlign' draws 10 views"):
        evaluate(seeded_model(), few, ListSource(random_samples(12, CLASSES)))


@pytest.mark.parametrize("views", [1, 2, 3, 7])
def test_a_model_is_judged_with_as_many_views_as_were_drawn(views: int) -> None:
    samples = [replace(sample, depth=sample.depth[:views]) for sample in random_samples(12, CLASSES)]
    source = ListSource(samples, samples)
    given = recipe(tasks=["zero-shot", "views", "few-shot", "retrieval"], few_shot={"shots": (1,), "seeds": (0,)})
    results, scored = evaluate(seeded_model(), given, source)
    assert {len(row.views) for row in results.of(VIEWS)} == set(range(1, views + 1))
    full = {row.method: row.top1.value for row in results.of(ZERO_SHOT)}
    assert all(row.top1 == full[row.method] for row in results.of(VIEWS) if len(row.views) == views)
    # The first half, rounded down, goes through the frozen branch; a softmax per view sums to one.
    np.testing.assert_allclose(scores_of(scored[0]).sum(axis=1), views, rtol=1e-5)
    alone, _ = evaluate(seeded_model(), recipe(methods=[{"name": "tuned", "branches": "depth", "text": TEXT}]), source)
    if views == 1:
        assert results.of(ZERO_SHOT)[0].confusion == alone.of(ZERO_SHOT)[0].confusion


def test_a_search_needs_as_many_views_as_it_fixes() -> None:
    samples = [replace(sample, depth=sample.depth[:2]) for sample in random_samples(12, CLASSES)]
    searched = {
        "name": "head",
        "aggregation": "pointclip-v2",
        "branches": "base",
        "text": TEXT,
        "search": "test-labels",
    }
    with pytest.raises(BadInput, match=r"'head': 3 fixed views, but .* draws 2 views; lower search.fixed_views"):
        evaluate(seeded_model(), recipe(methods=[searched]), ListSource(samples))


def test_time_that_is_measured_inside_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    lab = Lab(seeded_model(), recipe(), ListSource(random_samples(1, CLASSES)))
    with lab.timed("search"):
        now[0] += 2
        with lab.timed("texts"):
            now[0] += 5
        now[0] += 1
    assert lab.seconds == {"texts": 5, "search": 3}
