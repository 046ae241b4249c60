"""What each benchmark tells of its rows: headline, table, picture."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from opendlign_core.evaluation import (
    BENCHMARKS,
    FEW_SHOT,
    RETRIEVAL,
    VIEWS,
    ZERO_SHOT,
    Column,
    EvalRecipe,
    EvaluationResults,
    Headline,
    ResultTable,
    Row,
)
from opendlign_core.evaluation.benchmark import Benchmark
from opendlign_core.evaluation.classification.confusion import confusion_png
from opendlign_core.evaluation.classification.few_shot import FewShotResult
from opendlign_core.evaluation.classification.retrieval import RetrievalResult
from opendlign_core.evaluation.classification.views import ViewsResult
from opendlign_core.evaluation.findings import SEARCHED_ON_TEST
from opendlign_core.evaluation.results_file import results_text
from tests.evaluation.report_case import filled_report

FOUND = filled_report().results


def with_rows(benchmark: str, *rows: Row, primary: str = "") -> EvaluationResults:
    return EvaluationResults(model="m", model_fingerprint="f", primary=primary, rows={benchmark: rows})


def test_every_benchmark_says_all_that_is_asked_of_it() -> None:
    for benchmark in BENCHMARKS:
        table = benchmark.table(FOUND)
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert list(benchmark.headlines(FOUND))
        assert [section.body for section in benchmark.sections(filled_report())]
        assert len(list(benchmark.pictures(FOUND))) == len(benchmark.shows) - 1
    names = [name for benchmark in BENCHMARKS for name in benchmark.shows]
    assert len(set(names)) == len(names)


def test_zero_shot_tells_top_1_with_its_interval() -> None:
    row = FOUND.of(ZERO_SHOT)[0]
    head = next(iter(ZERO_SHOT.headlines(FOUND)))
    assert (head.dataset, head.method, head.value) == ("modelnet40", "opendlign", row.top1.value)
    assert (head.low, head.high) == (row.top1.low, row.top1.high)
    assert (head.remark, head.mark) == ("400 objects, 40 classes", "")
    seen = row.model_copy(update={"searched_on_test": True})
    marked = next(iter(ZERO_SHOT.headlines(with_rows("zero-shot", seen))))
    assert marked.mark == SEARCHED_ON_TEST
    table = ZERO_SHOT.table(with_rows("zero-shot", seen))
    assert [column.name for column in table.columns][4] == "95% interval"
    cells = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    assert cells["method"] == "opendlign (searched on test labels)"
    assert cells["top-1"] == round(100 * row.top1.value, 2)
    assert cells["top-5"] == round(100 * row.top5.value, 2)
    assert row.top1.low is not None
    assert row.top1.high is not None
    assert cells["95% interval"] == f"{100 * row.top1.low:.1f} to {100 * row.top1.high:.1f}"


def test_views_tell_the_accuracy_with_the_most() -> None:
    rows = [
        ViewsResult(dataset="d", method=method, views=tuple(range(count)), top1=share)
        for method, count, share in (("a", 2, 0.5), ("a", 4, 0.25), ("a", 3, 0.75), ("b", 1, 0.125))
    ]
    heads = list(VIEWS.headlines(with_rows("views", *rows)))
    assert [(head.method, head.value, head.remark) for head in heads] == [
        ("a", 0.25, "4 views"),
        ("b", 0.125, "1 views"),
    ]
    assert VIEWS.table(with_rows("views", *rows)).rows[1] == ("d", "a", 4, 25.0)


def test_few_shot_tells_the_mean_with_the_most_examples_within_a_share() -> None:
    rows = [
        FewShotResult(dataset="d", method="a", shots=shots, mean=mean, std=0.25, accuracies=(0.1, 0.2))
        for shots, mean in ((1, 0.5), (16, 0.875), (4, 0.625))
    ]
    (head,) = FEW_SHOT.headlines(with_rows("few-shot", *rows))
    assert (head.value, head.low, head.high) == (0.875, 0.625, 1.0)
    assert head.remark == "16 examples a class, ± one deviation of 2 draws"
    low = FewShotResult(dataset="d", method="a", shots=1, mean=0.125, std=0.25, accuracies=(0.1,))
    (head,) = FEW_SHOT.headlines(with_rows("few-shot", low))
    assert (head.low, head.high) == (0.0, 0.375)
    assert FEW_SHOT.table(with_rows("few-shot", *rows)).rows[1] == ("d", "a", 16, 87.5, 25.0)


def retrieved(query: str, queries: int, mean_average_precision: float, dataset: str = "d") -> RetrievalResult:
    recall = {5: 0.75, 1: 0.5}
    return RetrievalResult.model_validate(
        {
            "dataset": dataset,
            "query": query,
            "queries": queries,
            "gallery": 1200,
            "recall": recall,
            "mean_average_precision": mean_average_precision,
        }
    )


def test_retrieval_tells_the_first_query_that_was_asked() -> None:
    rows = (retrieved("image", 0, 0.0), retrieved("text", 40, 0.5), retrieved("shape", 9, 0.9))
    (head,) = RETRIEVAL.headlines(with_rows("retrieval", *rows, primary="tuned"))
    assert (head.method, head.value, head.low) == ("tuned", 0.5, None)
    assert head.remark == "40 text queries, 1,200 shapes"
    table = RETRIEVAL.table(with_rows("retrieval", *rows))
    assert [column.name for column in table.columns] == [
        "data set",
        "query",
        "queries",
        "gallery",
        "R@1",
        "R@5",
        "mAP",
    ]
    assert table.rows == (
        ("d", "image", 0, 1200, "–", "–", "–"),
        ("d", "text", 40, 1200, 50.0, 75.0, 50.0),
        ("d", "shape", 9, 1200, 50.0, 75.0, 90.0),
    )


def test_a_headline_is_a_share() -> None:
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="value"):
            Headline(dataset="d", method="m", value=value)


def test_wide_columns_are_left_out_of_a_terminal() -> None:
    table = ResultTable("t", (Column("a"), Column("b", wide=True), Column("c")), ((1, 2, 3), (4, 5, 6)))
    narrow = table.narrow()
    assert [column.name for column in narrow.columns] == ["a", "c"]
    assert narrow.rows == ((1, 3), (4, 6))


def test_the_primary_method_or_else_the_first_stands_for_a_data_set() -> None:
    heads = [
        Headline(dataset=dataset, method=method, value=0.5)
        for dataset in ("x", "y")
        for method in ("first", "tuned", "last")
    ]
    tuned = with_rows("zero-shot", primary="tuned").primary_of([*heads, Headline(dataset="z", method="only", value=0)])
    assert [(head.dataset, head.method) for head in tuned] == [("x", "tuned"), ("y", "tuned"), ("z", "only")]
    assert [head.method for head in with_rows("zero-shot").primary_of(heads)] == ["first", "first"]


@pytest.mark.parametrize(("classes", "cell", "margin"), [(3, 16, 120), (60, 12, 120), (100, 7, 4), (300, 4, 4)])
def test_the_confusion_picture_darkens_with_the_share_of_the_true_class(classes: int, cell: int, margin: int) -> None:
    counts = np.zeros((classes, classes), int)
    counts[0, 1], counts[1, 0], counts[1, 1] = 4, 1, 3
    picture = np.asarray(Image.open(io.BytesIO(confusion_png(counts.tolist(), [f"c{i}" for i in range(classes)]))))
    assert picture.shape == (classes * cell + 4, classes * cell + margin)

    def shade(true: int, predicted: int) -> int:
        return int(picture[2 + true * cell + cell // 2, margin + predicted * cell + cell // 2])

    assert (shade(0, 1), shade(0, 0), shade(1, 0), shade(1, 1), shade(2, 2)) == (0, 255, 191, 63, 255)
    assert (picture[:, :margin].min() < 255) == (margin == 120), "names where there is room for them"


def test_a_benchmark_that_leaves_a_question_open_is_none() -> None:
    for left_out in ("run", "headlines", "table", "sections"):
        said = {
            name: getattr(ZERO_SHOT, name) for name in ("run", "headlines", "table", "sections") if name != left_out
        }
        with pytest.raises(TypeError, match=f"abstract method '?{left_out}"):
            type("Partial", (Benchmark,), said)()


def test_a_benchmark_without_options_is_not_asked_for_them() -> None:
    chosen = EvalRecipe.model_validate({"datasets": [{"name": "a"}]})
    assert ZERO_SHOT.options is None
    with pytest.raises(TypeError, match="'zero-shot' declares no options"):
        ZERO_SHOT.options_in(chosen)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_headline_is_without_a_number(number: float) -> None:
    for field in ("value", "low", "high"):
        with pytest.raises(ValueError, match=field):
            Headline(**{"dataset": "d", "method": "m", "value": 0.5, field: number})


def test_the_first_benchmarks_have_their_keys_in_the_results_even_without_rows() -> None:
    """As files of earlier versions had; scripts read them."""
    told = json.loads(results_text(with_rows("zero-shot")))
    assert [told[key] for key in ("zero_shot", "few_shot", "views", "retrieval")] == [[], [], [], []]
