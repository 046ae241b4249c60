"""What the first screen of a report says of the data: its title, the sources, and what every stage turned away."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tasks.samples import EvaluatedOutputs

if TYPE_CHECKING:
    from opendlign_core.evaluation.report.data import Rejection, SourceFacts
    from opendlign_core.evaluation.results import EvaluationResults

_NAMES = 3
_NUMBER = re.compile(r"\d+")


def report_title(results: "EvaluationResults", sources: Sequence[EvaluatedOutputs]) -> str:
    """The data sets that were judged, each once; one that may be any shapes is told with source and classes."""
    from opendlign_core.evaluation import ZERO_SHOT
    from opendlign_core.evaluation.titles import TITLES, dataset_key, dataset_title

    datasets = list(dict.fromkeys(row.dataset for rows in results.rows.values() for row in rows))
    title = _listed([dataset_title(name) for name in datasets]) or "Nothing judged"
    if any(dataset_key(name) in TITLES for name in datasets):
        return title
    first = results.of(ZERO_SHOT)[:1]
    classes = _listed([one.name for row in first for one in row.classes if one.objects])
    told = f"{title} from {_listed(list(map(_source_of, sources)))}{f': {classes}' if classes else ''}"
    return told[0].upper() + told[1:]


def _source_of(outputs: EvaluatedOutputs) -> str:
    """How people call a source."""
    source = outputs.clouds.recipe.get("source", {})
    return str(source.get("name") or source.get("adapter") or "elsewhere")


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMES:
        return f"{', '.join(names[:_NAMES])} and {len(names) - _NAMES} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def source_facts(sources: Iterable[EvaluatedOutputs]) -> "Iterator[SourceFacts]":
    """How many objects every source gave, by split."""
    from opendlign_core.evaluation.report.data import SourceFacts

    for source in sources:
        yield SourceFacts(_source_of(source), tuple(sorted(source.clouds.summary.get("splits", {}).items())))


def rejections(sources: Iterable[EvaluatedOutputs]) -> "Iterator[Rejection]":
    """What the stages turned away, by reason; reasons that differ in numbers alone count as one."""
    from opendlign_core.evaluation.report.data import Rejection

    for source in sources:
        for manifest in (source.clouds, *source.depths.values(), *([source.aligned] if source.aligned else [])):
            alike: dict[str, list[tuple[str, str]]] = {}
            for sample in (sample for record in manifest.shards for sample in record.rejected):
                alike.setdefault(_NUMBER.sub("#", sample.reason), []).append((sample.reason, sample.id))
            for found in alike.values():
                yield Rejection(manifest.stage, found[0][0], len(found), found[0][1])
