"""The parts of the report that are the same for every benchmark: pictures, training curves and provenance."""

from collections.abc import Iterable, Sequence

from opendlign_core.evaluation.report.charts import Series, line_chart
from opendlign_core.evaluation.report.data import Curve, ExamplePicture, ImagePair, ReportData
from opendlign_core.evaluation.report.html import NOTHING, Markup, data_uri, joined, panels, tag
from opendlign_core.evaluation.titles import dataset_title


def examples(shown: Sequence[ExamplePicture]) -> Markup:
    """Objects with their depth views, label and prediction."""
    return _shots(_example(entry) for entry in shown)


def _example(entry: ExamplePicture) -> Markup:
    example = entry.example
    hit = example.label == example.prediction
    verdict = tag("b", example.label if hit else f"{example.label}, taken for {example.prediction}")
    words = tag("p", verdict, f" · margin {example.margin:+.4f}", class_="hit" if hit else "miss")
    origin = tag("p", tag("code", example.object_id), f" {dataset_title(example.dataset)} · {example.method}")
    picture = tag("img", src=data_uri(entry.picture), alt=f"depth views of {example.object_id}")
    return tag("div", picture, words, origin, class_="shot")


def pairs(shown: Sequence[ImagePair]) -> Markup:
    """Depth maps beside what was painted on them."""
    return _shots(_pair(entry) for entry in shown)


def _pair(entry: ImagePair) -> Markup:
    words = tag("p", tag("b", entry.title), f" {entry.caption}")
    return tag("div", tag("img", src=data_uri(entry.picture), alt=entry.title), words, class_="shot")


def _shots(cards: Iterable[Markup]) -> Markup:
    found = list(cards)
    return tag("div", *found, class_="shots") if found else NOTHING


def curves(shown: Sequence[Curve]) -> Markup:
    """Training curves, one chart per panel."""
    found: dict[str, list[Series]] = {}
    for curve in shown:
        found.setdefault(curve.panel, []).append(Series(curve.name, curve.points))
    return panels(tag("div", line_chart(lines, "step", panel)) for panel, lines in found.items())


def provenance(data: ReportData) -> Markup:
    """Where the numbers come from, and the notes of the run."""
    entries = [("model weights", data.results.model_fingerprint), *data.provenance]
    entries += [(f"seconds, {name}", f"{seconds:.1f}") for name, seconds in data.results.seconds.items()]
    listing = tag("dl", *(tag(kind, text) for pair in entries for kind, text in zip(("dt", "dd"), pair, strict=True)))
    return joined([*(tag("p", note) for note in data.results.notes), listing])
