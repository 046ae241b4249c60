"""One self-contained page: the results beside published numbers, pictures of hits and misses, what every stage cost.

The page needs neither network nor script, follows light and dark, and is a pure function of its data.
"""

from collections.abc import Iterable
from importlib import resources

from opendlign_core.evaluation import benchmarks
from opendlign_core.evaluation.report.costs import stages
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.first_screen import first_screen
from opendlign_core.evaluation.report.html import NOTHING, Markup, Section, tag
from opendlign_core.evaluation.report.sections import curves, examples, pairs, provenance


def render_report(data: ReportData) -> str:
    """The page as one HTML text."""
    footer = "The numbers behind this page are in results.json, every object in results.parquet."
    return whole_page(data.title, first_screen(data), _sections(data), footer)


def whole_page(title: str, header: Markup, sections: Iterable[Section], footer: str = "") -> str:
    """A self-contained HTML text: what is seen first, links to the sections that are not empty, and these."""
    shown = [section for section in sections if section.body]
    links = (tag("a", heading, href=f"#{name}") for name, heading, _ in shown)
    bodies = (tag("section", tag("h2", heading), body, id=name) for name, heading, body in shown)
    end = tag("footer", footer) if footer else NOTHING
    main = tag("main", header, tag("nav", *links), *bodies, end)
    return "<!doctype html>\n" + tag("html", _head(title), tag("body", main), lang="en") + "\n"


def _head(title: str) -> Markup:
    style = (resources.files("opendlign_core.evaluation.report") / "report.css").read_text(encoding="utf-8")
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
    return [
        *(section for benchmark in benchmarks.BENCHMARKS for section in benchmark.sections(data)),
        Section("examples", "Clearest hits and misses", examples(data.examples)),
        Section("training", "Training", curves(data.curves)),
        Section("images", "Depth maps and the images painted on them", pairs(data.pairs)),
        Section("cost", "Time and cost", stages(data.stages)),
        Section("provenance", "Provenance", provenance(data)),
    ]
