"""The two ways to run a chain's stages: as subflows of this process, or as deployments on work pools."""

import time
from collections.abc import Sequence
from typing import Any, Protocol, cast

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.states import Cancelling

from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.preset import Preset
from flows.project import project
from flows.synthesize import synthesize
from flows.train import train
from opendlign_core.ingestion import IngestRecipe
from opendlign_core.recipe import Execution, Recipe
from storage.fingerprint import StageIdentity
from storage.output import find_manifest
from storage.stores import open_store
from tasks import evaluate as evaluate_stage
from tasks import ingest as ingest_stage
from tasks import project as project_stage
from tasks import synthesize as synthesize_stage
from tasks import train as train_stage
from tasks.evaluate import Inputs
from tasks.guard import RegressionFound
from tasks.listing import list_source
from tasks.running import Part, ShardsFailed
from tasks.slots import gpu_slots

SECONDS_BETWEEN_LOOKS = 2.0


class Chain(Protocol):
    """Each method finishes one stage and returns the fingerprint of its output."""

    def ingest(self, recipe: IngestRecipe) -> str: ...

    def project(self, clouds: str) -> str: ...

    def synthesize(self, depths: str) -> str: ...

    def train(self, aligned: str) -> str: ...

    def evaluate(self, inputs: Inputs) -> str: ...


class LocalChain:
    """Stages as subflows, one after the other, in this process."""

    def __init__(self, store: str, preset: Preset) -> None:
        self._store, self._preset, self._execution = store, preset, preset.execution

    def ingest(self, recipe: IngestRecipe) -> str:
        return ingest(self._store, recipe, self._execution.ingest, preset=self._preset.name)

    def project(self, clouds: str) -> str:
        return project(self._store, clouds, self._preset.project, self._execution.project, preset=self._preset.name)

    def synthesize(self, depths: str) -> str:
        return synthesize(
            self._store, depths, self._preset.synthesize, self._execution.synthesize, preset=self._preset.name
        )

    def train(self, aligned: str) -> str:
        return train(self._store, aligned, self._preset.train, self._execution.train, preset=self._preset.name)

    def evaluate(self, inputs: Inputs) -> str:
        return evaluate(self._store, inputs, self._preset.evaluate, self._execution.evaluate, preset=self._preset.name)


class DeployedChain:
    """Stages as runs of their deployments; the synthesize stage is split over several workers.

    The manifest is the join point: a stage's fingerprint follows from its recipe, so nothing is asked of its runs.
    """

    def __init__(self, store: str, preset: Preset) -> None:
        self._store, self._preset, self._execution = store, preset, preset.execution

    def ingest(self, recipe: IngestRecipe) -> str:
        identity = ingest_stage.identify(recipe, list_source(recipe))
        return self._build(identity, recipe=recipe, execution=self._execution.ingest)

    def project(self, clouds: str) -> str:
        recipe = self._preset.project
        identity = project_stage.identify(recipe, clouds)
        return self._build(identity, clouds=clouds, recipe=recipe, execution=self._execution.project)

    def synthesize(self, depths: str) -> str:
        recipe, workers = self._preset.synthesize, self._execution.gpu_workers or max(gpu_slots(), 1)
        identity = synthesize_stage.identify(recipe, depths)
        return self._build(identity, workers, depths=depths, recipe=recipe, execution=self._execution.synthesize)

    def train(self, aligned: str) -> str:
        recipe = self._preset.train
        identity = train_stage.identify(recipe, aligned)
        return self._build(identity, aligned=aligned, recipe=recipe, execution=self._execution.train)

    def evaluate(self, inputs: Inputs) -> str:
        recipe = self._preset.evaluate
        identity = evaluate_stage.identify(recipe, inputs)
        ended = self._run(identity, inputs=inputs, recipe=recipe, execution=self._execution.evaluate)
        if refusals := _last_words([run for run in ended if run.state_type == StateType.FAILED]):
            # Its results are committed, and fell too far below the accepted ones.
            raise RegressionFound(refusals)
        return identity.fingerprint

    def _build(self, identity: StageIdentity, parts: int = 1, **parameters: Recipe | Execution | str) -> str:
        self._run(identity, parts, **parameters)
        return identity.fingerprint

    def _run(self, identity: StageIdentity, parts: int = 1, **parameters: Recipe | Execution | str) -> list[FlowRun]:
        """Start one run per part and wait for all; a last run takes what a failed part left behind.

        Returns the runs that ended last, none where the stage was finished before.

        Raises:
            ShardsFailed: when the stage is unfinished after that, or somebody cancelled one of its runs.
        """
        given = {name: _plain(value) for name, value in parameters.items()}
        given |= {"store": self._store, "preset": self._preset.name}
        if self._finished(identity):
            return []
        shares = [Part(index=index, count=parts) for index in range(parts)]
        ended = wait_for_runs([_start(identity.stage, {**given, **_share(share)}) for share in shares])
        if not self._finished(identity) and not any(run.state_type == StateType.CANCELLED for run in ended):
            ended = wait_for_runs([_start(identity.stage, given)])
        if not self._finished(identity):
            raise ShardsFailed(f"{identity.folder} is unfinished. {_last_words(ended)}")
        return ended

    def _finished(self, identity: StageIdentity) -> bool:
        return find_manifest(open_store(self._store), identity.stage, identity.fingerprint) is not None


def _plain(value: Recipe | Execution | str) -> Any:
    return value if isinstance(value, str) else value.model_dump(mode="json")


def _share(part: Part) -> dict[str, Any]:
    return {"part": part.model_dump()} if part.count > 1 else {}


def _start(stage: str, parameters: dict[str, Any]) -> FlowRun:
    """Start a stage's deployment as a child of this run, without waiting for it."""
    started = run_deployment(f"{stage}/{stage}", parameters=parameters, timeout=0, as_subflow=True)
    return cast("FlowRun", started)


def _last_words(runs: Sequence[FlowRun]) -> str:
    """How runs ended that did not complete."""
    return "; ".join(f"{run.name}: {run.state}" for run in runs if run.state_type != StateType.COMPLETED)


def wait_for_runs(runs: Sequence[FlowRun]) -> list[FlowRun]:
    """Wait until every run has ended, however it ended, and return them as they are then.

    Where this run is cancelled meanwhile, so are those it waits for.
    """
    with get_client(sync_client=True) as client:
        try:
            for run in runs:
                while client.read_flow_run(run.id).state_type not in TERMINAL_STATES:
                    time.sleep(SECONDS_BETWEEN_LOOKS)
            return [client.read_flow_run(run.id) for run in runs]
        except BaseException:
            if _is_cancelled(client):
                for run in runs:
                    client.set_flow_run_state(run.id, Cancelling())
            raise


def _is_cancelled(client: SyncPrefectClient) -> bool:
    """Whether somebody cancelled this run; a worker that stops ends it too, which is no reason to stop the others."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    return client.read_flow_run(context.flow_run.id).state_type in (StateType.CANCELLING, StateType.CANCELLED)
