"""The two ways to run the nodes of a graph: as subflows of this process, or as deployments on work pools."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.states import Cancelling
from pydantic import BaseModel

from flows.graph import Node
from flows.plan import NodeStatus
from flows.preset import Preset
from flows.sources import ListedSource
from flows.stages import flow_of, parameters_of
from storage.output import find_manifest
from storage.stores import open_store
from tasks.errors import OutputRefused, ShardsFailed
from tasks.ports import Ref
from tasks.progress import Listener
from tasks.running import Part
from tasks.slots import gpu_slots

SECONDS_BETWEEN_LOOKS = 2.0

Runner = Callable[[NodeStatus, Mapping[str, Sequence[Ref]]], None]
"""Finishes one node, given what it reads."""


def local_runner(
    store: str, preset: Preset, sources: Mapping[str, ListedSource], listener: Listener | None = None
) -> Runner:
    """Stages as subflows, one after the other, in this process; sources are not listed again."""

    def run(status: NodeStatus, refs: Mapping[str, Sequence[Ref]]) -> None:
        node = status.node
        origin = sources[node.name].listing if node.name in sources else None
        flow_of(node.stage, listener, origin)(**_parameters(store, preset, node, refs))

    return run


def deployed_runner(store: str, preset: Preset) -> Runner:
    """Stages as runs of their deployments; one that workers may share is split over the GPUs.

    The manifest is the join point: an output's fingerprint follows from its recipe, so nothing is asked of its runs.
    """

    def run(status: NodeStatus, refs: Mapping[str, Sequence[Ref]]) -> None:
        stage = status.node.stage
        split = stage.shared and stage.pool == "gpu"
        parts = (preset.gpu_workers or max(gpu_slots(), 1)) if split else 1
        given = {name: _plain(value) for name, value in _parameters(store, preset, status.node, refs).items()}
        _run_deployed(store, status, given, parts)

    return run


def _parameters(store: str, preset: Preset, node: Node, refs: Mapping[str, Sequence[Ref]]) -> dict[str, Any]:
    return parameters_of(node.stage, store, node.recipe, refs, preset.executions[node.stage.name], preset=preset.name)


def _run_deployed(store: str, status: NodeStatus, given: dict[str, Any], parts: int) -> None:
    """Start one run per part and wait for all; a last run takes what a failed part left behind.

    Raises:
        ShardsFailed: when the stage is unfinished after that, or somebody cancelled one of its runs.
        OutputRefused: when it is finished, and its run failed all the same.
    """
    if _finished(store, status):
        return
    shares = [Part(index=index, count=parts) for index in range(parts)]
    ended = wait_for_runs([_start(status.stage, {**given, **_share(share)}) for share in shares])
    if not _finished(store, status) and not any(run.state_type == StateType.CANCELLED for run in ended):
        ended = wait_for_runs([_start(status.stage, given)])
    if not _finished(store, status):
        raise ShardsFailed(f"{status.folder} is unfinished. {_last_words(ended)}")
    if refusals := _last_words([run for run in ended if run.state_type == StateType.FAILED]):
        raise OutputRefused(refusals)


def _finished(store: str, status: NodeStatus) -> bool:
    return find_manifest(open_store(store), status.stage, status.identity.fingerprint) is not None


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


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
