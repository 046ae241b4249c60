"""Propose: where in scenes things may stand, and what stands there as clouds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestRecipe
from opendlign_core.proposal import STAGE_VERSION, DetrRecipe, ProposeExecution, ProposeRecipe
from opendlign_core.samples import Scene
from storage.output import ShardRange, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ingest import held_by
from tasks.pictures import show_clouds
from tasks.ports import Inputs, Port
from tasks.requirements import Requirement, device
from tasks.shards import ShardBuilder, throughput_table
from tasks.showcase import Showcase
from tasks.stage import Job, ShardedStage, Views

if TYPE_CHECKING:
    from opendlign_core.proposal import Propose

ProposeJob = Job[ProposeRecipe, ProposeExecution]


@dataclass(frozen=True)
class Ready:
    """What the shards of a unit of work share."""

    scenes: SampleReader
    propose: "Propose"


class ProposeStage(ShardedStage[ProposeRecipe, ProposeExecution]):
    name = "propose"
    noun = "proposals"
    version = STAGE_VERSION
    recipe = ProposeRecipe
    execution = ProposeExecution
    about = "Cut out of scenes what may be things."
    example = "scans:~/rooms"
    reads = (Port("scenes", "ingest", "Fingerprint of the ingest output of a source of scenes."),)
    shared = True
    per_source = True
    one_to_many = True
    shows = ("boxes", "throughput", "clouds")
    unit = "scenes"

    def label(self, given: Mapping[str, Any]) -> str:
        """Clouds go by the kind of the proposer whose boxes they are."""
        proposer = given.get("proposer", "superpoints")
        return str(proposer.get("kind", "")) if isinstance(proposer, Mapping) else str(proposer)

    def misfit(self, recipe: ProposeRecipe, made_from: Mapping[str, Sequence[Any]]) -> str:
        for one in made_from.get("scenes", ()):
            if isinstance(one, IngestRecipe) and held_by(one.source.adapter) != "scenes":
                return f"the source {one.source.adapter} holds single objects; propose takes a source of scenes"
        return ""

    def requires(self, recipe: ProposeRecipe, execution: ProposeExecution) -> Iterable[Requirement]:
        proposer = recipe.proposer
        if isinstance(proposer, DetrRecipe):
            yield from (_weights(proposer), *device(execution.device))

    def bytes_each(self, recipe: ProposeRecipe, views: Views) -> int:
        """Some hundred boxes of a scene, of which most hold fewer points than they may."""
        return 256 * 15 * min(recipe.points, 1000)

    def shards(self, recipe: ProposeRecipe, inputs: Inputs, origin: Any) -> Sequence[ShardRange]:
        return plan_shards(inputs["scenes"][0].manifest.samples, recipe.shard_size)

    @contextmanager
    def ready(self, job: ProposeJob) -> Iterator[Ready]:
        from opendlign_core.proposal import load_proposer

        with SampleReader(job.store, job.manifest("scenes")) as reader:
            yield Ready(reader, load_proposer(job.recipe, job.execution))

    def build(self, job: ProposeJob, ready: Ready, shard: ShardRange, builder: ShardBuilder) -> None:
        """Cut up the scenes of a shard one by one; one without anything to cut out is a row with its reason."""
        for sample in ready.scenes.read(shard.start, shard.stop):
            scene = Scene.read(sample.key, sample.fields)
            if job.recipe.splits and scene.meta.split not in job.recipe.splits:
                job.progress.advance(skipped=1)
                continue
            try:
                _cut_up(scene, ready.propose, job.recipe, builder)
            except BadInput as error:
                builder.reject(scene.meta.object_id, str(error))
                job.progress.advance(rejected=1)
            else:
                job.progress.advance()

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        ui.table("boxes", boxes_table(manifest), "Boxes of the scenes, and what became of them")
        ui.table("throughput", throughput_table(store, manifest), "Clouds cut out of scenes and what they cost")
        show_clouds(store, manifest, ui)


PROPOSE = ProposeStage()


def _weights(recipe: DetrRecipe) -> Requirement:
    """The checkpoint, read once before anything runs: whether it is one shows at the end of a long ingestion else."""
    from opendlign_core.proposal import load_detr

    try:
        load_detr(recipe)
    except BadInput as error:
        return Requirement("weights of 3DETR", "cannot be read", str(error))
    return Requirement("weights of 3DETR", f"at {recipe.checkpoint}")


def _cut_up(scene: Scene, propose: "Propose", recipe: ProposeRecipe, builder: ShardBuilder) -> None:
    """Add the clouds of a scene; raises `BadInput` where there are none."""
    from opendlign_core.proposal import clouds_of

    proposals, kept, reduced = propose(scene), 0, 0
    for cloud in clouds_of(scene, proposals, recipe):
        builder.add(cloud)
        kept += 1
        reduced += cloud.meta.as_dict()["points"] > recipe.points
    if not kept:
        raise BadInput(f"none of its {len(proposals.boxes)} boxes holds {recipe.fewest} points")
    builder.count("boxes", "proposed", len(proposals.boxes))
    builder.count("boxes", "too few points", len(proposals.boxes) - kept)
    builder.count("boxes", "reduced", reduced)


def boxes_table(manifest: Manifest) -> list[dict[str, Any]]:
    """What became of the boxes, with the values that decided it, as rows for a table artifact."""
    counts: Mapping[str, int] = manifest.summary.get("boxes", {})
    recipe = manifest.recipe
    return [
        {"measure": "boxes proposed", "value": counts.get("proposed", 0)},
        {"measure": f"with fewer than {recipe['fewest']} points: left out", "value": counts.get("too few points", 0)},
        {"measure": "clouds", "value": manifest.samples},
        {"measure": f"of those with more than {recipe['points']} points: reduced", "value": counts.get("reduced", 0)},
        {"measure": "metres around a box that belong to it", "value": recipe["margin"]},
        {"measure": "scenes without a cloud", "value": manifest.rejected},
    ]
