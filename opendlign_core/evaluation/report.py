"""One self-contained page: the results beside published numbers, pictures of hits and misses, what every stage cost.

The page needs neither network nor script, follows light and dark, and is a pure function of its data.
"""

from importlib import resources

from opendlign_core.evaluation import report_sections, report_tables
from opendlign_core.evaluation.html import Markup, joined, percent, tag
from opendlign_core.evaluation.published import benchmark_title
from opendlign_core.evaluation.report_data import ReportData
from opendlign_core.evaluation.results import ZeroShotResult

Section = tuple[str, str, Markup]


def render_report(data: ReportData) -> str:
    """The page as one HTML text."""
    sections = [section for section in _sections(data) if section[2]]
    links = (tag("a", title, href=f"#{name}") for name, title, _ in sections)
    bodies = (tag("section", tag("h2", title), body, id=name) for name, title, body in sections)
    main = tag("main", _header(data), tag("nav", *links), *bodies, _footer())
    return "<!doctype html>\n" + tag("html", _head(data.title), tag("body", main), lang="en") + "\n"


def _head(title: str) -> Markup:
    style = (resources.files("opendlign_core.evaluation") / "report.css").read_text(encoding="utf-8")
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        # An empty icon keeps browsers from asking a server for one.
        tag("link", rel="icon", href="data:,"),
        tag("style", Markup(style)),
    )


def _sections(data: ReportData) -> list[Section]:
    results = data.results
    few_shot = joined([report_sections.few_shot(data), report_tables.few_shot(results.few_shot, data.show_published)])
    return [
        ("results", "Zero-shot classification", report_tables.zero_shot(results.zero_shot, data.show_published)),
        ("classes", "Classes", report_sections.classes(results)),
        ("examples", "Clearest hits and misses", report_sections.examples(data.examples)),
        ("few-shot", "Few-shot classification", few_shot),
        ("views", "Number of views", report_sections.views(results)),
        ("retrieval", "Retrieval", report_tables.retrieval(results.retrieval)),
        ("training", "Training", report_sections.curves(data.curves)),
        ("images", "Depth maps and the images painted on them", report_sections.pairs(data.pairs)),
        ("cost", "Time and cost", report_tables.stages(data.stages)),
        ("provenance", "Provenance", report_sections.provenance(data)),
    ]


def _header(data: ReportData) -> Markup:
    results = data.results
    level = f"Ranges are {100 * results.interval_level:g} % bootstrap intervals over objects."
    words = f"{results.model}, features in {results.precision}. {level}"
    cards = (_card(row) for row in results.primary_rows())
    return tag("header", tag("h1", data.title), tag("p", words, class_="lead"), tag("div", *cards, class_="cards"))


def _card(row: ZeroShotResult) -> Markup:
    top1 = row.top1
    interval = "" if top1.low is None else f" ({percent(top1.low)} to {percent(top1.high)})"
    words = f"top-1 %{interval}, {row.objects:,} objects, {len(row.classes)} classes"
    badge = report_tables.searched_badge(row.searched_on_test)
    name = tag("small", f"{benchmark_title(row.dataset)} · {row.method}", badge)
    return tag("div", name, tag("b", percent(top1.value)), tag("small", words), class_="card")


def _footer() -> Markup:
    return tag("footer", "The numbers behind this page are in results.json, every object in results.parquet.")
