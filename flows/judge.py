"""Judge: any trained model against a preset's benchmarks, without painting or training anything."""

from collections.abc import Mapping
from dataclasses import replace

from prefect import Flow, flow

from flows.graph import Graph
from flows.plan import plan_graph
from flows.preset import Preset
from flows.regenerate import run_graph
from flows.runners import deployed_runner, local_runner
from flows.series import accept_finished, load_series
from flows.sources import ListedSource, list_sources, require_usable
from storage.settings import get_settings
from storage.stores import open_store
from tasks.artifacts import name_run
from tasks.evaluate import EVALUATE
from tasks.progress import Listener
from tasks.train import TRAIN


def judging(listener: Listener | None = None, sources: Mapping[str, ListedSource] | None = None) -> Flow[..., str]:
    """The flow that judges a model; the arguments are those of `flows.regenerate.regenerating`."""

    @flow(name="judge")
    def judge(
        model: str,
        preset: str = "mini",
        store: str | None = None,
        changes: list[str] | None = None,
        distributed: bool = False,
    ) -> str:
        """Evaluate a train output of the store, an imported one for instance; returns the results' fingerprint.

        Args:
            model: Fingerprint of the train output.
            preset: Where the benchmarks, the projection and the evaluation recipe come from; it is not trained.
            store: A folder or s3://bucket/prefix; the configured store when empty.
            changes: Fields to change, such as `evaluate.methods=[opendlign]`.
            distributed: Run each stage as its deployment instead of in this process.
        """
        store_url = store or get_settings().store
        chosen = load_series(preset, changes or [])
        # Results are compared with earlier ones of the same name: another model is another series.
        chosen = replace(chosen, name=f"{chosen.name}-{model[:8]}")
        graph = judging_graph(chosen, model)
        listed = sources if sources is not None else list_sources(chosen, graph)
        opened = open_store(store_url)
        statuses = plan_graph(opened, graph, listed)
        require_usable(graph, listed)
        name_run(f"{chosen.name} judge", chosen.name, "judge")
        runner = (
            deployed_runner(store_url, chosen) if distributed else local_runner(store_url, chosen, listed, listener)
        )
        run_graph(graph, statuses, runner)
        accept_finished(opened, chosen, statuses)
        return statuses[-1].identity.fingerprint

    return judge


judge = judging()


def judging_graph(preset: Preset, model: str) -> Graph:
    """The evaluation of a finished model on the sources that a preset judges on."""
    return preset.alone(EVALUATE.name, given={TRAIN.name: model})
