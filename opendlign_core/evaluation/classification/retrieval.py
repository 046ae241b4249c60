"""Retrieval: words, painted images and shapes as queries against the shapes of a data set."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from opendlign_core.evaluation.benchmark import Benchmark, Cell, Column, Reads, ResultTable
from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.findings import SEARCHED_ON_TEST, Findings, Headline, Row
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import NOTHING, Markup, Section, badge, percent, scrolling, table, tag
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.specs import MethodSpec
from opendlign_core.evaluation.titles import dataset_title

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case
    from opendlign_core.evaluation.classification.ranking import RetrievalScores


class RetrievalResult(Row):
    """Queries of one kind against the objects of one data set."""

    query: Literal["text", "image", "shape", "text+image"]
    queries: int
    gallery: int
    recall: dict[int, float]
    mean_average_precision: float
    searched_on_test: bool = False


class Retrieval(Benchmark[RetrievalResult]):
    """Recall and mean average precision of the primary method, for every kind of query that the data allows."""

    name = "retrieval"
    measure = "mAP"
    accepted_as = "mAP"
    row = RetrievalResult
    written_when_empty = True

    def reads(self, recipe: EvalChoices) -> Reads:
        return Reads(painted=bool({"image", "text+image"} & set(recipe.retrieval.queries)))

    def judges(self, recipe: EvalChoices, method: MethodSpec) -> bool:
        return method == recipe.primary

    def run(self, case: "Case") -> Findings[RetrievalResult]:
        from opendlign_core.evaluation.classification.ranking import asked

        spec, painted = case.recipe.retrieval, len(case.test.features.painted)
        found = asked(spec, case.test, case.head.method, case.head.text)
        rows = tuple(_row(case, query, scores) for query, scores in found.items())
        missed = self.reads(case.recipe).painted and not painted
        note = f"{case.dataset.name}: no painted images, so image queries were left out of retrieval."
        return Findings(rows, notes=(note,) if missed else ())

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        """Mean average precision of the first kind of query; nothing was resampled, so there is no range."""
        first: dict[str, RetrievalResult] = {}
        for row in (row for row in results.of(self) if row.queries):
            first.setdefault(row.dataset, row)
        for row in first.values():
            yield Headline(
                dataset=row.dataset,
                method=results.primary or "primary",
                value=row.mean_average_precision,
                remark=f"{row.queries:,} {row.query} queries, {row.gallery:,} shapes",
                mark=SEARCHED_ON_TEST if row.searched_on_test else "",
            )

    def table(self, results: EvaluationResults) -> ResultTable:
        rows = results.of(self)
        ranks = sorted({rank for row in rows for rank in row.recall})
        columns = (
            Column("data set"), Column("query"), Column("queries"), Column("gallery"),
            *(Column(f"R@{rank}") for rank in ranks), Column("mAP"),
        )  # fmt: skip
        return ResultTable("Retrieval, percent", columns, tuple(_cells(row, ranks) for row in rows))

    def sections(self, data: ReportData) -> Iterator[Section]:
        yield Section("retrieval", "Retrieval", _table(data.results.of(self)))


def _row(case: "Case", query: str, found: "RetrievalScores") -> RetrievalResult:
    return RetrievalResult.model_validate(
        {
            "dataset": case.dataset.name,
            "query": query,
            "queries": found.queries,
            "gallery": len(case.test.features),
            "recall": found.recall,
            "mean_average_precision": found.mean_average_precision,
            "searched_on_test": case.method.sees_test_labels,
        }
    )


def _cells(row: RetrievalResult, ranks: Sequence[int]) -> tuple[Cell, ...]:
    shares = (*(row.recall.get(rank) for rank in ranks), row.mean_average_precision)
    query = f"{row.query} ({SEARCHED_ON_TEST})" if row.searched_on_test else row.query
    asked = row.queries > 0
    numbers = (round(100 * share, 2) if asked and share is not None else "–" for share in shares)
    return row.dataset, query, row.queries, row.gallery, *numbers


def _table(rows: Sequence[RetrievalResult]) -> Markup:
    if not rows:
        return NOTHING
    ranks = sorted({rank for row in rows for rank in row.recall})
    titles = ("Queries", "Gallery", *(f"R@{rank}" for rank in ranks), "mAP")
    head = ["Data set", "Query", *(tag("th", title, class_="number") for title in titles)]
    return scrolling(table(head, (_line(row, ranks) for row in rows)))


def _line(row: RetrievalResult, ranks: Sequence[int]) -> Markup:
    shares = (*(row.recall.get(rank) for rank in ranks), row.mean_average_precision)
    shown = (percent(share if row.queries else None) for share in shares)
    numbers = (f"{row.queries:,}", f"{row.gallery:,}", *shown)
    cells = (tag("td", number, class_="number") for number in numbers)
    query = tag("td", f"{row.query} → shape", badge(SEARCHED_ON_TEST if row.searched_on_test else ""))
    return tag("tr", tag("td", dataset_title(row.dataset)), query, *cells)


RETRIEVAL = Retrieval()
