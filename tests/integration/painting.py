"""A synthesize stage to break: twelve shards on the GPU pool, over depth maps that are already there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from flows.preset import Preset
from storage.local import LocalStore
from storage.output import find_manifest
from storage.store import Store
from tests.integration.harness import Orchestra, until
from tests.integration.stores import contents, copy_stages, finished, records

STAGE = "synthesize"


@dataclass
class Painting:
    orchestra: Orchestra
    preset: Preset
    reference: LocalStore
    store: Store

    @classmethod
    def over(cls, orchestra: Orchestra, preset: Preset, reference: LocalStore, store: Store) -> "Painting":
        copy_stages(reference, store, "project")
        return cls(orchestra, preset, reference, store)

    @property
    def parameters(self) -> dict[str, Any]:
        (depths,) = {info.key.split("/")[1] for info in self.reference.list("project")}
        assert find_manifest(self.reference, "project", depths) is not None
        recipe = self.preset.recipes[STAGE].model_dump(mode="json")
        execution = self.preset.executions[STAGE].model_dump(mode="json")
        return {"store": self.store.url, "depths": depths, "recipe": recipe, "execution": execution}

    def submit(self, **more: Any) -> UUID:
        return self.orchestra.submit(f"{STAGE}/{STAGE}", **self.parameters, **more)

    def start(self) -> UUID:
        """Submit a run and return when some of its shards, and not all of them, are committed."""
        run = self.submit()
        self.midway()
        return run

    def midway(self, shards: int = 2) -> None:
        until(lambda: len(records(self.store, STAGE)) >= shards, f"{shards} shards", pause=0.02)
        assert not finished(self.store, STAGE), "the stage was over before it could be disturbed"

    def assert_undisturbed(self) -> None:
        """Every byte is that of a run that nothing happened to."""
        assert contents(self.store, STAGE) == contents(self.reference, STAGE)


def place(folder: Path) -> LocalStore:
    return LocalStore(folder / "store")
