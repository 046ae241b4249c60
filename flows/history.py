"""The runs that a store has seen: which preset brought which outputs up to date, and when. Free of Prefect and torch.

Outputs hold no times and know no presets, so that the same recipe gives the same bytes. A note at `runs/<name>.json`
remembers both for people, and for commands that are to go on with the last run.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.plan import NodeStatus
from storage.fingerprint import digest
from storage.output import find_manifest
from storage.records import Manifest
from storage.store import Store

FOLDER = "runs"


class RunNote(BaseModel):
    """One run: what was typed for it, and the outputs that it left up to date."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    preset: str
    """A shipped preset, or the file that held it."""
    changes: tuple[str, ...]
    outputs: Mapping[str, str]
    """Folder of each output, by node; those of one stage in the order of the preset."""
    finished: datetime

    def folder(self, stage: str) -> str | None:
        """The first output of a stage: of several sources, that of the one that is trained on."""
        return next((folder for folder in self.outputs.values() if folder.startswith(f"{stage}/")), None)


def note_run(store: Store, preset: str, changes: Sequence[str], statuses: Sequence[NodeStatus]) -> RunNote:
    """Remember a run whose outputs are all up to date; one that was noted before gets a new date."""
    named = str(Path(preset).absolute()) if preset.endswith((".yaml", ".yml")) else preset
    outputs = {status.title: status.folder for status in statuses}
    note = RunNote(preset=named, changes=tuple(changes), outputs=outputs, finished=datetime.now(UTC))
    key = f"{FOLDER}/{digest([named, list(changes), outputs])}.json"
    with tempfile.TemporaryDirectory(prefix="opendlign-run-") as scratch:
        path = Path(scratch) / "run.json"
        path.write_text(note.model_dump_json(indent=1) + "\n", encoding="utf-8")
        store.put_file(path, key)
    return note


def runs(store: Store) -> Iterator[RunNote]:
    """The noted runs, last first; what is no note of a run is passed over."""
    for info in sorted(store.list(FOLDER), key=lambda info: info.modified, reverse=True):
        try:
            yield RunNote.model_validate_json(store.read(info.key))
        except (ValidationError, FileNotFoundError):
            continue


def last_run(store: Store, stage: str, fingerprint: str = "") -> tuple[RunNote, Manifest] | None:
    """The last run that left an output of a stage (that of a fingerprint, where one is given), and that output."""
    for note in runs(store):
        _, _, found = (note.folder(stage) or "").partition("/")
        # The output may have been collected since.
        if found and fingerprint in ("", found) and (manifest := find_manifest(store, stage, found)):
            return note, manifest
    return None
