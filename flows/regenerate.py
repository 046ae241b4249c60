"""Regenerate: every output of a preset, from shapes to a benchmarked model.

In one process the stages are subflows. Distributed, each stage is its own deployment on its own work pool, and the
manifests in the store are where the stages meet.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from prefect import Flow, flow
from pydantic import Field

from flows.graph import Graph, Node
from flows.history import note_run
from flows.plan import NodeStatus, plan_graph
from flows.runners import Runner, deployed_runner, local_runner
from flows.series import accept_finished, load_series
from flows.sources import ListedSource, list_sources, require_usable
from storage.settings import get_settings
from storage.stores import open_store
from tasks.artifacts import name_run
from tasks.ports import Ref
from tasks.progress import Listener
from tasks.registry import STAGES
from tasks.summary import publish_summary

Until = Annotated[str, Field(json_schema_extra={"enum": [stage.name for stage in STAGES]})]


def regenerating(
    listener: Listener | None = None, sources: Mapping[str, ListedSource] | None = None
) -> Flow[..., dict[str, str]]:
    """The flow that brings a preset up to date.

    `listener` is told of every step of the stages that run in this process; `sources` saves a second listing.
    """

    @flow(name="regenerate")
    def regenerate(
        preset: str = "mini",
        store: str | None = None,
        changes: list[str] | None = None,
        distributed: bool = False,
        until: Until | None = None,
    ) -> dict[str, str]:
        """Bring every stage of a preset up to date and return the fingerprints, by node.

        Args:
            preset: Name of a shipped preset, or a YAML file.
            store: A folder or s3://bucket/prefix; the configured store when empty.
            changes: Fields to change, such as `train.epochs=5`.
            distributed: Run each stage as its deployment instead of in this process.
            until: The last stage to run; every stage of the preset when empty.
        """
        store_url = store or get_settings().store
        chosen = load_series(preset, changes or [], stages=[until] if until else [])
        graph = chosen.graph.until(until) if until else chosen.graph
        listed = sources if sources is not None else list_sources(chosen, graph)
        opened = open_store(store_url)
        statuses = plan_graph(opened, graph, listed)
        require_usable(graph, listed)
        name_run(f"{chosen.name} regenerate {statuses[-1].identity.fingerprint[:8]}", chosen.name, "regenerate")
        if any(status.state != "done" for status in statuses):
            runner = (
                deployed_runner(store_url, chosen)
                if distributed
                else local_runner(store_url, chosen, listed, listener)
            )
            run_graph(graph, statuses, runner)
        note_run(opened, preset, changes or [], statuses)
        publish_summary(opened, chosen.name, statuses)
        accept_finished(opened, chosen, statuses)
        return {status.title: status.identity.fingerprint for status in statuses}

    return regenerate


regenerate = regenerating()


def run_graph(graph: Graph, statuses: Sequence[NodeStatus], runner: Runner) -> None:
    """Run every node after those that it reads; each returns at once where the store already holds its output."""
    planned = {status.title: status for status in statuses}

    def visit(node: Node, inputs: Mapping[str, Sequence[Ref]]) -> Ref:
        status = planned[node.name]
        if status.state != "done":
            runner(status, inputs)
        return status.ref

    graph.walk(visit)
