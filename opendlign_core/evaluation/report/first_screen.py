"""What a reader sees first: did it work, how much better than frozen, on what, and what was turned away and why."""

from collections.abc import Iterator

from opendlign_core.evaluation import benchmarks
from opendlign_core.evaluation.findings import Estimate, Headline
from opendlign_core.evaluation.paired import Gain
from opendlign_core.evaluation.report.data import Rejection, ReportData
from opendlign_core.evaluation.report.html import NOTHING, Markup, badge, joined, percent, tag
from opendlign_core.evaluation.report.interval_chart import IntervalRow, interval_chart
from opendlign_core.evaluation.titles import dataset_title

_WORDS = 12
_REASONS = 4
"""Rows of reasons; what is behind them is told in one."""


def first_screen(data: ReportData) -> Markup:
    """Title, verdict, one chart beside the facts, and a card for each further benchmark."""
    results = data.results
    words = f"{results.model}, features in {results.precision}."
    cards = list(_cards(data))
    return tag(
        "header",
        tag("h1", data.title),
        tag("p", words, class_="lead"),
        _verdicts(data),
        tag("div", tag("div", _chart(data), class_="panel"), _facts(data), class_="first"),
        tag("h2", "Other measures") if cards else NOTHING,
        tag("div", *cards, class_="cards") if cards else NOTHING,
    )


def _verdicts(data: ReportData) -> Markup:
    """A sentence for every data set that the first benchmark judged."""
    judged = benchmarks.judged_by(data.results)[:1]
    told = [
        _verdict(data, headline, benchmark.measure)
        for benchmark in judged
        for headline in data.results.primary_of(benchmark.headlines(data.results))
    ]
    return joined(told)


def _verdict(data: ReportData, headline: Headline, measure: str) -> Markup:
    found = (gain for gain in data.gains if (gain.dataset, gain.method) == (headline.dataset, headline.method))
    gain = next(found, None)
    mark = badge(headline.mark)
    where = f"{headline.method} reaches {percent(headline.value)} % {measure} on {dataset_title(headline.dataset)}"
    if gain is None:
        above = f", {_difference(headline.above.difference, data, headline.above.name)}" if headline.above else ""
        words = f"{where}{above}; {headline.remark}. {_without_comparison(data)}"
        return tag("p", words, mark, class_="verdict")
    short, kind = _outcome(gain)
    rest = f" {where}, {_difference(gain.share, data, f'the frozen CLIP ({gain.against})')}."
    counts = f" Of {gain.objects:,} objects it wins {gain.won:,} and loses {gain.lost:,}."
    return tag("p", tag("b", short), rest, counts, mark, class_=f"verdict {kind}")


def _without_comparison(data: ReportData) -> str:
    if not data.trained:
        return "A frozen CLIP was judged as it is: there is nothing trained to hold it against."
    return "No frozen method was judged beside it: add training-free to evaluate.methods to see what training gained."


def _outcome(gain: Gain) -> tuple[str, str]:
    if not gain.is_shown:
        return "Not shown to work.", "unclear"
    return ("It worked.", "good") if gain.share.value > 0 else ("It made things worse.", "bad")


def _difference(share: Estimate, data: ReportData, than: str) -> str:
    words = f"{percent(abs(share.value))} points {'more' if share.value >= 0 else 'less'} than {than}"
    if share.low is None or share.high is None:
        return words
    level = f"{100 * data.results.interval_level:g} % paired interval"
    return f"{words} ({level} {100 * share.low:.1f} to {100 * share.high:.1f})"


def _chart(data: ReportData) -> Markup:
    judged = benchmarks.judged_by(data.results)[:1]
    heads = [headline for benchmark in judged for headline in benchmark.headlines(data.results)]
    rows = [_row(data, headline) for headline in heads]
    if not rows:
        return tag("p", "Nothing was judged.", class_="note")
    measure = judged[0].measure
    level = f"{100 * data.results.interval_level:g} %"
    caption = f"{measure.capitalize()}, percent, with {level} intervals over objects."
    if behind := "the frozen one" if data.gains else next((row.above.name for row in heads if row.above), ""):
        caption += f" Behind it: points above {behind}, with the paired interval."
    return tag("figure", interval_chart(rows, measure), tag("figcaption", caption))


def _row(data: ReportData, headline: Headline) -> IntervalRow:
    frozen = any(gain.against == headline.method for gain in data.gains)
    found = (gain for gain in data.gains if (gain.dataset, gain.method) == (headline.dataset, headline.method))
    shares = [gain.share for gain in found] or (
        [headline.above.difference] if headline.above and not data.gains else []
    )
    note = "frozen" if frozen else next(map(_note, shares), "")
    group = dataset_title(headline.dataset)
    return IntervalRow(group, headline.method, headline.value, headline.low, headline.high, note, frozen)


def _note(share: Estimate) -> str:
    spread = "" if share.low is None or share.high is None else f" ({100 * share.low:.1f} to {100 * share.high:.1f})"
    return f"{100 * share.value:+.1f}{spread}"


def _facts(data: ReportData) -> Markup:
    entries = [("Judged on", tag("ul", *(tag("li", words) for words in _judged(data))))]
    if data.sources:
        entries.append(("Shapes", tag("ul", *(tag("li", words) for words in _sources(data)))))
    entries.append(("Turned away", _rejected(data)))
    if data.unread:
        entries.append(("Words it never read", _unread(data)))
    listing = tag("dl", *(tag(kind, part) for pair in entries for kind, part in zip(("dt", "dd"), pair, strict=True)))
    return tag("div", listing, class_="panel facts", id="facts")


def _unread(data: ReportData) -> Markup:
    """Said in so many words: a low number for such a class is no fault of the shapes."""
    words = ", ".join(data.unread[:_WORDS])
    more = f" and {len(data.unread) - _WORDS} more" if len(data.unread) > _WORDS else ""
    return joined([tag("b", words), f"{more}: {data.results.model} guesses these classes from pieces of their names."])


def _judged(data: ReportData) -> Iterator[str]:
    for benchmark in benchmarks.judged_by(data.results)[:1]:
        for headline in data.results.primary_of(benchmark.headlines(data.results)):
            yield f"{dataset_title(headline.dataset)}: {headline.remark}"


def _sources(data: ReportData) -> Iterator[str]:
    for source in data.sources:
        total = sum(count for _, count in source.splits)
        splits = ", ".join(f"{count:,} {name or 'without a split'}" for name, count in source.splits)
        yield f"{total:,} from {source.name} ({splits})"


def _rejected(data: ReportData) -> Markup:
    if not data.rejections:
        return tag("span", "nothing")
    most = sorted(data.rejections, key=lambda one: (-one.count, one.stage, one.reason))
    lines = [_rejection(one) for one in most[:_REASONS]]
    if rest := sum(one.count for one in most[_REASONS:]):
        lines.append(tag("li", f"{rest:,} more for {len(most) - _REASONS} other reasons"))
    return tag("ul", *lines)


def _rejection(one: Rejection) -> Markup:
    shown = tag("small", " such as ", tag("code", one.example)) if one.example else NOTHING
    return tag("li", f"{one.count:,} by {one.stage}: {one.reason}", shown)


def _cards(data: ReportData) -> Iterator[Markup]:
    """The primary method's headline on every data set, for each benchmark but the one that the chart shows."""
    for benchmark in benchmarks.judged_by(data.results)[1:]:
        for headline in data.results.primary_of(benchmark.headlines(data.results)):
            yield _card(headline, benchmark.measure)


def _card(headline: Headline, measure: str) -> Markup:
    low, high = headline.low, headline.high
    interval = "" if low is None or high is None else f" ({percent(low)} to {percent(high)})"
    name = tag("small", f"{dataset_title(headline.dataset)} · {headline.method}", badge(headline.mark))
    words = tag("small", f"{measure}{interval}, {headline.remark}")
    return tag("div", name, tag("b", f"{percent(headline.value)} %"), words, class_="card")
