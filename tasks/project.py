"""Project: every cloud as its depth maps, shard for shard."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opendlign_core.ingestion import IngestRecipe
from opendlign_core.projection import STAGE_VERSION, ProjectionExecution, ProjectionRecipe, resolve_recipe
from opendlign_core.samples import Cloud, Rejected
from storage.output import ShardRange
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ingest import held_by
from tasks.pictures import show_depth
from tasks.ports import Port
from tasks.requirements import Requirement, device
from tasks.shards import ShardBuilder, throughput_table
from tasks.showcase import Showcase
from tasks.stage import Job, ShardedStage, Views

PUBLISHED = "opendlign"
"""The published recipe that a preset's projection starts from where it names no other."""


class Project(ShardedStage[ProjectionRecipe, ProjectionExecution]):
    name = "project"
    noun = "projection"
    version = STAGE_VERSION
    recipe = ProjectionRecipe
    execution = ProjectionExecution
    about = "Project clouds to depth maps."
    reads = (Port("clouds", "ingest", "Fingerprint of the ingest output, or propose/FINGERPRINT.", also=("propose",)),)
    shared = True
    per_source = True
    in_flight = 2
    shows = ("throughput", "depth")

    def spell_out(self, given: Mapping[str, Any], preset: Mapping[str, Any]) -> Mapping[str, Any]:
        """`base: NAME` starts from a published recipe; other fields change it."""
        changes = {field: value for field, value in given.items() if field != "base"}
        return {**resolve_recipe(self.label(given)).model_dump(), **changes}

    def misfit(self, recipe: ProjectionRecipe, made_from: Mapping[str, Sequence[Any]]) -> str:
        for one in made_from.get("clouds", ()):
            held = held_by(one.source.adapter) if isinstance(one, IngestRecipe) else "clouds"
            if held == "scenes":
                return f"the source {one.source.adapter} holds scenes: let a stage propose cut them up before"
            if held == "photos":
                return f"the source {one.source.adapter} holds photos, which have no points to project"
        return ""

    def requires(self, recipe: ProjectionRecipe, execution: ProjectionExecution) -> Iterable[Requirement]:
        return device(execution.device)

    def bytes_each(self, recipe: ProjectionRecipe, views: Views) -> int:
        return views.packed_bytes

    def label(self, given: Mapping[str, Any]) -> str:
        """Depth maps go by the name of the published recipe that theirs starts from."""
        return str(given.get("base", PUBLISHED))

    @contextmanager
    def ready(self, job: Job[ProjectionRecipe, ProjectionExecution]) -> Iterator[SampleReader]:
        with SampleReader(job.store, job.manifest("clouds")) as reader:
            yield reader

    def build(
        self,
        job: Job[ProjectionRecipe, ProjectionExecution],
        ready: SampleReader,
        shard: ShardRange,
        builder: ShardBuilder,
    ) -> None:
        """Project the clouds of a shard; reading, computing, encoding and writing overlap."""
        from opendlign_core.projection import project_clouds

        clouds = (Cloud.read(sample.key, sample.fields) for sample in ready.read(shard.start, shard.stop))
        for outcome in project_clouds(clouds, job.recipe, job.execution):
            if isinstance(outcome, Rejected):
                builder.reject(outcome.object_id, outcome.reason)
                job.progress.advance(rejected=1)
            else:
                builder.add(outcome)
                job.progress.advance()

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        ui.table("throughput", throughput_table(store, manifest), "Depth maps and what they cost")
        show_depth(store, manifest, ui)


PROJECT = Project()
