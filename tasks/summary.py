"""The markdown on a regeneration's own run: what was checked, what was built, and where everything is."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tasks.artifacts import publish_markdown

ARTIFACTS = {
    "ingest": ("ingest-progress", "ingest-counts", "ingest-clouds"),
    "project": ("project-progress", "project-throughput", "project-depth"),
    "synthesize": ("synthesize-cost", "synthesize-progress", "synthesize-throughput", "synthesize-pairs"),
    "train": ("train-progress", "train-metrics", "train-curves"),
    "evaluate": ("evaluate-results", "evaluate-confusion", "evaluate-summary"),
}


class Checked(Protocol):
    """What the summary says of one stage; the plan's status fits."""

    @property
    def stage(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def folder(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def changes(self) -> tuple[str, ...]: ...


def publish_summary(place: str, preset: str, checked: Sequence[Checked], found: Mapping[str, str]) -> None:
    """Publish the table of stages on the current run."""
    idle = all(status.state == "done" for status in checked)
    headline = "Nothing to do: every stage is up to date." if idle else "Every stage is up to date now."
    rows = ["| stage | before this run | output | in the UI |", "|---|---|---|---|"]
    for status in checked:
        why = f" ({'; '.join(status.changes[:2])})" if status.changes else ""
        links = ", ".join(f"[{key}](/artifacts/key/{key})" for key in ARTIFACTS[status.stage])
        rows.append(f"| {status.title} | {status.state}{why} | `{status.folder}` | {links} |")
    report = f"Report: `{place}/evaluate/{found.get('evaluate', '')}`"
    publish_markdown("regenerate", "summary", "\n".join([f"# {preset}: {headline}", "", *rows, "", report]), headline)
