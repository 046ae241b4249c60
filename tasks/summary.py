"""The markdown on a regeneration's own run: what was checked, what was built, and where everything is."""

from collections.abc import Sequence
from typing import Protocol

from storage.output import find_manifest
from storage.store import Store
from tasks.artifacts import Artifacts, published_keys
from tasks.stage import AnyStage


class CheckedNode(Protocol):
    """The node of a checked output."""

    @property
    def stage(self) -> AnyStage: ...


class Checked(Protocol):
    """What the summary says of one output; the plan's status fits."""

    @property
    def node(self) -> CheckedNode: ...

    @property
    def title(self) -> str: ...

    @property
    def folder(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def remarks(self) -> tuple[str, ...]: ...


def publish_summary(store: Store, preset: str, checked: Sequence[Checked]) -> None:
    """Publish the table of outputs on the current run."""
    keys = published_keys(key for status in checked for key in artifact_keys(status.node.stage))
    rows = ["| stage | before this run | in the UI | output |", "|---|---|---|---|"]
    for status in checked:
        stage = status.node.stage
        why = f" ({'; '.join(status.remarks[:2])})" if status.remarks else ""
        # A server may be younger than the store: it has nothing to show of what it never ran.
        links = ", ".join(_link(stage.name, key) for key in artifact_keys(stage) if key in keys)
        rows.append(f"| {status.title} | {status.state}{why} | {links} | `{status.folder}` |")
    text = "\n".join([f"# {preset}: {_headline(checked)}", "", *rows, "", *_reports(store, checked)])
    Artifacts("regenerate").markdown("summary", text, "What was checked, and where everything is")


def artifact_keys(stage: AnyStage) -> tuple[str, ...]:
    """Keys of all that a stage shows in the UI."""
    return tuple(f"{stage.name}-{name}" for name in ("progress", *stage.shows))


def _link(stage: str, key: str) -> str:
    return f"[{key.removeprefix(f'{stage}-')}](/artifacts/key/{key})"


def _headline(checked: Sequence[Checked]) -> str:
    if all(status.state == "done" for status in checked):
        return "Nothing to do: every stage is up to date."
    return f"All that was asked for is up to date, as far as {checked[-1].title}."


def _reports(store: Store, checked: Sequence[Checked]) -> list[str]:
    """Where reports lie; a browser does not follow links from a server's page to files, so their place is text."""
    found = []
    for status in checked:
        stage, _, fingerprint = status.folder.partition("/")
        manifest = find_manifest(store, stage, fingerprint)
        files = {stored.name: stored.file for stored in manifest.files} if manifest else {}
        if "report" in files:
            found.append(f"Report: `{store.url}/{status.folder}/{files['report']}`")
    return found
