"""Count: how many points every object of a source has, in one file."""

import json
from pathlib import Path

from pydantic import Field

from opendlign_core.recipe import Execution, Recipe
from opendlign_core.samples import Cloud
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ports import Port
from tasks.showcase import Showcase
from tasks.stage import Job, Whole, WholeStage


class CountRecipe(Recipe):
    at_least: int = Field(default=1, ge=1)
    """Objects with fewer points are left out."""


class Count(WholeStage[CountRecipe, Execution]):
    name = "count"
    version = 1
    recipe = CountRecipe
    execution = Execution
    about = "Count the points of every object."
    reads = (Port("clouds", "ingest", "Fingerprint of the ingest output."),)
    per_source = True
    shows = ("points",)

    def build(self, job: Job[CountRecipe, Execution], folder: Path) -> Whole:
        with SampleReader(job.store, job.manifest("clouds")) as reader:
            clouds = [Cloud.read(sample.key, sample.fields) for sample in reader.read()]
        counts = {cloud.key: len(cloud.points) for cloud in clouds if len(cloud.points) >= job.recipe.at_least}
        job.progress.reach(len(clouds), len(clouds))
        (folder / "counts.json").write_text(json.dumps(counts, sort_keys=True), encoding="utf-8")
        return Whole({"counts": folder / "counts.json"}, len(counts))

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        counts = json.loads(store.read(f"{manifest.folder}/{manifest.file('counts').file}"))
        ui.table(
            "points", [{"object": key, "points": count} for key, count in counts.items()], "Points of each object"
        )


COUNT = Count()
