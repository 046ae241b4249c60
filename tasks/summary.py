"""The markdown on a regeneration's own run: what was checked, what was built, and where everything is."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from storage.output import load_manifest
from storage.stores import Store
from tasks.artifacts import publish_markdown, published_keys

ARTIFACTS = {
    "ingest": ("ingest-progress", "ingest-counts", "ingest-clouds"),
    "project": ("project-progress", "project-throughput", "project-depth"),
    "synthesize": ("synthesize-cost", "synthesize-progress", "synthesize-throughput", "synthesize-pairs"),
    "train": ("train-progress", "train-metrics", "train-curves"),
    "evaluate": ("evaluate-progress", "evaluate-results", "evaluate-confusion", "evaluate-summary"),
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


def publish_summary(store: Store, preset: str, checked: Sequence[Checked], found: Mapping[str, str]) -> None:
    """Publish the table of stages on the current run; `found` holds the fingerprint of every stage it came to."""
    headline = _headline(checked, found)
    keys = published_keys(key for status in checked for key in ARTIFACTS[status.stage])
    rows = ["| stage | before this run | in the UI | output |", "|---|---|---|---|"]
    for status in checked:
        why = f" ({'; '.join(status.changes[:2])})" if status.changes else ""
        # A server may be younger than the store: it has nothing to show of what it never ran.
        links = ", ".join(_link(status.stage, key) for key in ARTIFACTS[status.stage] if key in keys)
        rows.append(f"| {status.title} | {status.state}{why} | {links} | `{status.folder}` |")
    text = "\n".join([f"# {preset}: {headline}", "", *rows, "", *_report(store, found)])
    publish_markdown("regenerate", "summary", text, "What was checked, and where everything is")


def _link(stage: str, key: str) -> str:
    return f"[{key.removeprefix(f'{stage}-')}](/artifacts/key/{key})"


def _headline(checked: Sequence[Checked], found: Mapping[str, str]) -> str:
    if all(status.state == "done" for status in checked):
        return "Nothing to do: every stage is up to date."
    left = [status.stage for status in checked if status.stage not in found]
    return f"Up to date as asked, before {left[0]}." if left else "Every stage is up to date now."


def _report(store: Store, found: Mapping[str, str]) -> list[str]:
    """Where the report lies; a browser does not follow links from a server's page to files, so its place is text."""
    if "evaluate" not in found:
        return []
    manifest = load_manifest(store, "evaluate", found["evaluate"])
    return [f"Report: `{store.url}/{manifest.folder}/{manifest.file('report').file}`"]
