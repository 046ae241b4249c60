"""A result that falls too far is refused and the accepted one stays."""

from pathlib import Path

import pytest

from opendlign_core.evaluation.results import Estimate, EvaluationResults, ZeroShotResult
from storage.stores import open_store
from tasks.guard import RegressionFound, check_regression


def results(top1: float, dataset: str = "shapes") -> EvaluationResults:
    share = Estimate(value=top1)
    row = ZeroShotResult(
        dataset=dataset,
        method="opendlign",
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
    return EvaluationResults(model="m", model_fingerprint="f", zero_shot=(row,))


def test_a_fall_beyond_the_margin_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "first", results(0.70), 0.02)
    check_regression(store, "mini", "second", results(0.69), 0.02)
    with pytest.raises(RegressionFound, match=r"shapes \| opendlign fell from 69\.0 to 60\.0"):
        check_regression(store, "mini", "third", results(0.60), 0.02)
    # The refused result did not become the standard.
    check_regression(store, "mini", "fourth", results(0.68), 0.02)


def test_other_data_and_other_presets_are_not_compared(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    check_regression(store, "mini", "first", results(0.70), 0.02)
    check_regression(store, "mini", "second", results(0.10, dataset="others"), 0.02)
    check_regression(store, "large", "third", results(0.10), 0.02)
