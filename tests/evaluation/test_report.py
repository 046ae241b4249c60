import dataclasses
import re
from html.parser import HTMLParser

import pytest

from opendlign_core.evaluation import RETRIEVAL, ZERO_SHOT, Row
from opendlign_core.evaluation.classification.metrics import count_classes
from opendlign_core.evaluation.classification.published import published_few_shot, published_zero_shot
from opendlign_core.evaluation.report.charts import Series, confusion_chart, line_chart
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import Markup, table, tag
from opendlign_core.evaluation.report.page import render_report
from opendlign_core.evaluation.results import EvaluationResults
from tests.evaluation.report_case import filled_report, scored_objects


class Balance(HTMLParser):
    """Fails when an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def with_rows(results: EvaluationResults, benchmark: str, *rows: Row) -> EvaluationResults:
    return results.model_copy(update={"rows": {**results.rows, benchmark: rows}})


def test_text_is_escaped_everywhere() -> None:
    page = render_report(filled_report())
    assert "<the run>" not in page
    assert "&lt;the run&gt;" in page
    assert "modelnet40/<0" not in page


def test_elements_close_in_order() -> None:
    parser = Balance()
    parser.feed(render_report(filled_report()))
    assert parser.open == []


def test_the_page_refers_to_nothing_outside() -> None:
    page = render_report(filled_report())
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", page)
    assert "<script" not in page
    assert "url(" not in page


def test_same_data_same_bytes() -> None:
    assert render_report(filled_report()) == render_report(filled_report())


def test_sections_without_data_are_left_out() -> None:
    bare = ReportData("Bare", EvaluationResults(model="m", model_fingerprint="f"))
    page = render_report(bare)
    assert 'id="cost"' not in page
    assert 'id="results"' not in page
    assert 'id="provenance"' in page


def test_the_page_says_how_many_of_the_classes_were_judged() -> None:
    data = filled_report()
    row, words = data.results.of(ZERO_SHOT)[0], "classes have objects to be judged on"
    every = [one.model_copy(update={"objects": 5}) for one in row.classes]
    lacking = [one.model_copy(update={"objects": 0}) for one in every[:2]] + every[2:]
    for classes, told in ((every, ""), (lacking, f"{len(every) - 2} of {len(every)} {words}")):
        results = with_rows(data.results, "zero-shot", row.model_copy(update={"classes": tuple(classes)}))
        page = render_report(dataclasses.replace(data, results=results))
        assert told in page
        assert (words in page) == bool(told)


def test_published_numbers_can_be_left_out() -> None:
    page = render_report(dataclasses.replace(filled_report(), show_published=False))
    assert 'class="published"' not in page
    assert "82.6 / 96.2 / 98.4" not in page


def test_published_numbers_stand_aside_where_no_published_set_was_judged() -> None:
    data = filled_report()
    own = [row.model_copy(update={"dataset": "my shapes"}) for row in data.results.of(ZERO_SHOT)[:1]]
    page = render_report(dataclasses.replace(data, results=with_rows(data.results, "zero-shot", *own)))
    table = page[page.index('id="zero-shot-table"') :].split("</table>")[0]
    assert "published" not in table and "ModelNet40" not in table
    aside = page[page.index("<details><summary>Published numbers on other data sets") :].split("</details>")[0]
    assert "82.6 / 96.2 / 98.4" in aside


def test_numbers_chosen_on_test_labels_are_marked() -> None:
    data = filled_report()
    first, *rest = data.results.of(ZERO_SHOT)
    marked = with_rows(data.results, "zero-shot", first.model_copy(update={"searched_on_test": True}), *rest)
    assert "searched on test labels" not in render_report(data)
    page = render_report(dataclasses.replace(data, results=marked))
    table = page[page.index('id="zero-shot-table"') :].split("</table>")[0]
    assert table.count("searched on test labels") == 1
    assert page.count("searched on test labels") == 3, "the card and the classes of that row are marked too"


def test_money_is_shown_where_it_is_known() -> None:
    data = filled_report()
    page = render_report(data)
    table = page[page.index('id="cost-table"') :].split("</table>")[0]
    assert ">0.42 EUR</td>" in table
    assert ">0.42 EUR</td>" not in table.split("<tr><td>train")[0]
    free = dataclasses.replace(data, stages=data.stages[:1])
    assert ">Cost<" not in render_report(free)


def test_published_tables_are_complete() -> None:
    best = {row.encoder: row for row in published_zero_shot() if row.method == "OpenDlign"}
    assert best["H-14"].scores["objaverse-lvis"] == (35.0, 53.1, 60.0)
    assert len(published_zero_shot()) == 13
    assert published_few_shot()["scanobjectnn"]["OpenDlign"] == {1: 48.9, 2: 58.5, 4: 67.9, 8: 74.2, 16: 79.0}


def test_markup_is_kept_and_text_is_not() -> None:
    assert tag("p", "a<b", tag("b", "c")) == "<p>a&lt;b<b>c</b></p>"
    assert tag("img", src='x"y', alt=None) == '<img src="x&quot;y"/>'
    assert "<td>1</td>" in table(["n"], [["1"]])
    assert isinstance(tag("p"), Markup)


def test_charts_place_points_inside_the_drawing() -> None:
    chart = line_chart([Series("s", ((1, 10.0), (16, 90.0)), (5.0, 5.0))], "shots", "top-1 %", log_x=True)
    assert chart.count("<circle") == 2
    numbers = [float(n) for n in re.findall(r'c[xy]="([\d.]+)"', chart)]
    assert all(0 < number < 460 for number in numbers)
    assert line_chart([Series("empty", ())], "x", "y") == ""


def test_no_two_lines_look_alike() -> None:
    lines = [Series(str(number), ((1, 10.0), (2, 20.0 + number))) for number in range(9)]
    looks = re.findall(r'class="line ([^"]+)"', line_chart(lines, "views", "top-1 %"))
    assert len(set(looks)) == 9


def test_nothing_asked_is_not_a_share_of_nought() -> None:
    data = filled_report()
    row = data.results.of(RETRIEVAL)[0].model_copy(
        update={"queries": 0, "recall": {1: 0.0}, "mean_average_precision": 0}
    )
    page = render_report(dataclasses.replace(data, results=with_rows(data.results, "retrieval", row)))
    assert "0.0" not in page.split('id="retrieval"')[1].split("</section>")[0]


@pytest.mark.parametrize(("dataset", "mark"), [("scanobjectnn", "<svg"), ("omniobject3d", "<img")])
def test_large_confusion_matrices_become_pictures(dataset: str, mark: str) -> None:
    part = scored_objects(dataset, "m", 2.0, 0)
    assert mark in confusion_chart(count_classes(part.scores, part.labels).confusion, part.classes)


def test_published_numbers_stand_beside_a_data_set_however_it_is_spelled() -> None:
    data = filled_report()
    rows = tuple(row.model_copy(update={"dataset": "ModelNet40"}) for row in data.results.of(ZERO_SHOT)[:1])
    page = render_report(dataclasses.replace(data, results=with_rows(data.results, "zero-shot", *rows)))
    head = page[page.index('id="zero-shot-table"') :].split("</thead>")[0]
    assert head.count("ModelNet40") == 1
    assert head.count("<th ") == 4, "one column for each of the four benchmarks"
