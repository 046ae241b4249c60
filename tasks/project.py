"""Project: every cloud as its depth maps, shard for shard."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from prefect import task

from opendlign_core.projection import STAGE_VERSION, ProjectionExecution, ProjectionRecipe
from storage.fingerprint import StageIdentity
from storage.output import ShardRange, StageOutput
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample, object_id
from storage.stores import Store
from tasks.policy import SHARD_TASK
from tasks.progress import current_progress
from tasks.shards import ShardBuilder, ShardWork, StagePlan, finish, follow_shards
from tasks.slots import computing

STAGE = "project"


def identify(recipe: ProjectionRecipe, clouds: str) -> StageIdentity:
    """Depth maps are what the recipe makes of the clouds with that fingerprint."""
    return StageIdentity.of(STAGE, STAGE_VERSION, recipe, {"ingest": clouds})


def plan(store: Store, recipe: ProjectionRecipe, clouds: Manifest) -> StagePlan:
    """One shard of depth maps for each shard of clouds."""
    return StagePlan.look(StageOutput(store, identify(recipe, clouds.fingerprint)), follow_shards(clouds))


@task(name="project-shard", **SHARD_TASK)
def project_shard(
    work: ShardWork, recipe: ProjectionRecipe, execution: ProjectionExecution, clouds: Manifest
) -> list[int]:
    """Project the clouds of each shard; reading, computing, encoding, writing and uploading overlap."""
    output = work.open()
    with SampleReader(output.store, clouds) as reader:
        for shard in work.shards:
            with computing(output, shard, execution.device) as builder:
                _build(builder, recipe, execution, reader, shard)
    return [shard.index for shard in work.shards]


def _build(
    builder: ShardBuilder,
    recipe: ProjectionRecipe,
    execution: ProjectionExecution,
    reader: SampleReader,
    shard: ShardRange,
) -> None:
    from opendlign_core.projection import Rejection, project_clouds

    metas: dict[str, dict[str, Any]] = {}
    clouds = _clouds(reader.read(shard.start, shard.stop), metas)
    for key, outcome in project_clouds(clouds, recipe, execution):
        meta = metas.pop(key)
        if isinstance(outcome, Rejection):
            builder.reject(object_id(key), outcome.reason)
            current_progress().advance(rejected=1)
            continue
        builder.add(key, {"depth.npy": outcome}, {**meta, "views": len(recipe.views), "size": recipe.image_size})
        current_progress().advance()


def _clouds(
    samples: Iterable[Sample], metas: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    for sample in samples:
        metas[sample.key] = sample.json()
        yield sample.key, sample.array("points.npy")


def commit(planned: StagePlan, execution: ProjectionExecution) -> Manifest:
    return finish(planned.output, planned.shards, max_rejected_share=execution.max_rejected_share)
