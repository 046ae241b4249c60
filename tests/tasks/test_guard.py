"""A headline that falls too far below the best accepted one is refused, and the best stays."""

import json
from pathlib import Path

import pytest

from opendlign_core.evaluation import BENCHMARKS
from opendlign_core.evaluation.classification.counting import ZeroShotResult
from opendlign_core.evaluation.classification.few_shot import FewShotResult
from opendlign_core.evaluation.findings import Estimate
from opendlign_core.evaluation.results import EvaluationResults
from storage.store import Store
from storage.stores import open_store
from tasks.guard import RegressionFound, Verdict
from tasks.guard import check_regression as check_verdict


def zero_shot(top1: float, dataset: str = "shapes", method: str = "opendlign") -> ZeroShotResult:
    share = Estimate(value=top1)
    return ZeroShotResult(
        dataset=dataset,
        method=method,
        objects=100,
        top1=share,
        top3=share,
        top5=share,
        macro_precision=top1,
        macro_recall=top1,
        macro_f1=share,
        classes=(),
        confusion=(),
    )


def results(*rows: ZeroShotResult) -> EvaluationResults:
    return EvaluationResults(model="m", model_fingerprint="f", rows={"zero-shot": rows})


def few_shot(mean: float) -> EvaluationResults:
    row = FewShotResult(dataset="shapes", method="opendlign", shots=16, mean=mean, std=0.0, accuracies=(mean,))
    return EvaluationResults(model="m", model_fingerprint="f", rows={"few-shot": (row,)})


def check_regression(
    store: Store, name: str, fingerprint: str, found: EvaluationResults, allowed_drop: float, judged: str = "these"
) -> None:
    check_verdict(store, name, Verdict(fingerprint, found, {"shapes": judged}), allowed_drop)


def test_a_fall_beyond_the_margin_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "first", results(zero_shot(0.70)), 0.02)
    check_regression(store, "mini", "second", results(zero_shot(0.69)), 0.02)
    with pytest.raises(RegressionFound, match=r"shapes \| opendlign: top1 fell from 70\.0, .* to 60\.0") as refused:
        check_regression(store, "mini", "third", results(zero_shot(0.60)), 0.02)
    assert "evaluate/third" in str(refused.value)
    assert "--set execution.evaluate.allowed_drop=1" in str(refused.value)
    # The refused result did not become the standard.
    check_regression(store, "mini", "fourth", results(zero_shot(0.68)), 0.02)


def test_small_falls_do_not_add_up(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for top1 in (0.90, 0.885, 0.881):
        check_regression(store, "mini", str(top1), results(zero_shot(top1)), 0.02)
    with pytest.raises(RegressionFound, match=r"from 90\.0, the best accepted, to 87\.9"):
        check_regression(store, "mini", "ratchet", results(zero_shot(0.879)), 0.02)


def test_a_rise_becomes_the_new_best_for_its_row_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "a", results(zero_shot(0.70), zero_shot(0.50, method="plain")), 0.02)
    check_regression(store, "mini", "b", results(zero_shot(0.80), zero_shot(0.49, method="plain")), 0.02)
    check_regression(store, "mini", "c", results(zero_shot(0.79), zero_shot(0.48, method="plain")), 0.02)
    with pytest.raises(RegressionFound, match="opendlign") as refused:
        check_regression(store, "mini", "d", results(zero_shot(0.77), zero_shot(0.48, method="plain")), 0.02)
    assert "plain" not in str(refused.value)


def test_other_data_other_presets_and_other_benchmarks_are_not_compared(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "first", results(zero_shot(0.70)), 0.02)
    check_regression(store, "mini", "second", results(zero_shot(0.10, dataset="others")), 0.02)
    check_regression(store, "large", "third", results(zero_shot(0.10)), 0.02)
    check_regression(store, "mini", "fourth", few_shot(0.10), 0.02)
    with pytest.raises(RegressionFound, match=r"from 70\.0"):
        check_regression(store, "mini", "fifth", results(zero_shot(0.60)), 0.02)


def test_every_benchmark_is_guarded(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "first", few_shot(0.70), 0.02)
    with pytest.raises(RegressionFound, match="few_shot_top1 fell"):
        check_regression(store, "mini", "second", few_shot(0.60), 0.02)
    keys = [benchmark.accepted_as for benchmark in BENCHMARKS]
    assert len(set(keys)) == len(keys)
    assert "fingerprint" not in keys


def test_results_on_other_objects_or_classes_are_another_matter(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "first", results(zero_shot(0.75)), 0.02, judged="ten classes")
    check_regression(store, "mini", "second", results(zero_shot(0.35)), 0.02, judged="forty classes")
    with pytest.raises(RegressionFound, match=r"shapes \| opendlign: top1 fell from 35\.0, .* to 20\.0"):
        check_regression(store, "mini", "third", results(zero_shot(0.20)), 0.02, judged="forty classes")
    with pytest.raises(RegressionFound, match=r"from 75\.0"):
        check_regression(store, "mini", "fourth", results(zero_shot(0.35)), 0.02, judged="ten classes")


def test_a_refusal_names_what_fell_most_and_counts_the_rest(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    shares = {"opendlign": 0.9, "plain": 0.8, "texts": 0.7, "views": 0.6}
    before = results(*(zero_shot(0.9, method=method) for method in shares))
    after = results(*(zero_shot(share, method=method) for method, share in shares.items()))
    check_regression(store, "mini", "first", before, 0.02)
    with pytest.raises(RegressionFound, match=r"^shapes \| views: .* 60\.0; shapes \| texts: .* 70\.0; 1 more head"):
        check_regression(store, "mini", "second", after, 0.02)


def test_what_may_fall_by_anything_becomes_the_standard(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "first", results(zero_shot(0.75), zero_shot(0.5, method="plain")), 0.02)
    check_regression(store, "mini", "second", results(zero_shot(0.35)), 1.0)
    check_regression(store, "mini", "third", results(zero_shot(0.34)), 0.02)
    with pytest.raises(RegressionFound, match=r"opendlign: top1 fell from 35\.0"):
        check_regression(store, "mini", "fourth", results(zero_shot(0.30)), 0.02)
    with pytest.raises(RegressionFound, match=r"plain: top1 fell from 50\.0"):
        check_regression(store, "mini", "fifth", results(zero_shot(0.35), zero_shot(0.4, method="plain")), 0.02)


def test_what_an_earlier_version_accepted_does_not_say_on_what(tmp_path: Path) -> None:
    (tmp_path / "accepted").mkdir()
    accepted = tmp_path / "accepted" / "mini.json"
    accepted.write_text(json.dumps({"fingerprint": "old", "top1": {"shapes | opendlign": 0.87}}))
    store = open_store(tmp_path)
    check_regression(store, "mini", "new", results(zero_shot(0.60)), 0.02)
    assert json.loads(accepted.read_text())["top1"]["shapes | opendlign | these"] == 0.6
