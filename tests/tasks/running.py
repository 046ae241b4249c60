"""Running a sharded stage without an engine."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.output import StageOutput
from storage.records import Manifest
from storage.stores import Store
from tasks.ports import Inputs, Ref
from tasks.progress import StageProgress
from tasks.shards import StagePlan, building, finish
from tasks.stage import Job, ShardedStage


def build_output(
    stage: ShardedStage[Any, Any],
    store: Store,
    recipe: Any,
    execution: Any,
    inputs: Inputs | None = None,
    before: Callable[[], None] = lambda: None,
    progress: StageProgress | None = None,
) -> Manifest:
    """Build what an output lacks and commit it; `before` is called between the plan and the first shard."""
    inputs = inputs or {}
    refs = {port: [Ref(given.manifest.fingerprint, given.label) for given in read] for port, read in inputs.items()}
    with stage.opened(recipe) as opened, tempfile.TemporaryDirectory() as scratch:
        output = StageOutput(store, stage.identify(recipe, refs, opened))
        planned = StagePlan.look(output, stage.shards(recipe, inputs, opened))
        job = Job(output, recipe, execution, inputs, progress or StageProgress(stage.name, 0), opened)
        before()
        with stage.ready(job) as ready:
            for shard in planned.missing:
                with building(output, shard) as builder:
                    stage.build(job, ready, shard, builder)
        files = stage.files(job, output.records(planned.shards), Path(scratch))
        return finish(output, planned.shards, max_rejected_share=execution.max_rejected_share, files=files)
