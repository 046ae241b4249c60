"""The trained model of a preset, found in a store, with the outputs it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from storage.errors import MissingOutput
from storage.fingerprint import digest
from storage.inventory import outputs
from storage.output import load_manifest
from storage.records import Manifest
from storage.settings import get_settings
from storage.store import Store
from storage.stores import open_store

if TYPE_CHECKING:
    from flows.preset import Preset
    from opendlign_core.evaluation import EvaluatedModel
    from tasks.samples import EvaluatedOutputs, StoredSamples


@dataclass(frozen=True)
class TrainedPreset:
    """A model with its preset and store."""

    preset: "Preset"
    store: Store
    model: "EvaluatedModel"

    @cached_property
    def outputs(self) -> "EvaluatedOutputs":
        """The clouds and depth maps of the preset's source; asked for only by what searches among them."""
        from tasks.samples import EvaluatedOutputs

        clouds, depths = (own_output(self.store, self.preset, stage) for stage in ("ingest", "project"))
        return EvaluatedOutputs(clouds, {self.preset.labels["project"]: depths})

    @property
    def projection(self) -> str:
        """The name that the preset's own depth maps go by."""
        return self.preset.labels["project"]

    @property
    def key(self) -> str:
        """Names what an index of this model's source depends on."""
        return digest([self.model.fingerprint, self.model.weights, self.outputs.contents(self.projection)])

    def samples(self) -> "StoredSamples":
        from tasks.samples import StoredSamples

        return StoredSamples(self.store, [self.outputs])


def trained_preset(name: str, store: str | None, changes: Sequence[str], model: str = "") -> TrainedPreset:
    """Load the model that a preset's recipes lead to or, where `model` names one, that train output of the store.

    Raises:
        MissingOutput: when the store does not hold it yet.
    """
    from flows.preset import load_preset

    store_url = store or get_settings().store
    opened, preset = open_store(store_url), load_preset(name, changes)
    trained = find_trained(opened, model) if model else _own_model(opened, preset, name)
    from tasks.train import load_trained

    return TrainedPreset(preset, opened, load_trained(opened, trained, "auto"))


def _own_model(store: Store, preset: "Preset", name: str) -> Manifest:
    try:
        return own_output(store, preset, "train")
    except MissingOutput as error:
        raise MissingOutput(
            f"{store.url} holds no trained {name} model; run `opendlign run --preset {name}` first"
        ) from error


def own_output(store: Store, preset: "Preset", stage: str) -> Manifest:
    """The finished output of a stage that a preset's own source leads to; its benchmarks need not be there.

    Raises:
        MissingOutput: when the store does not hold it yet.
    """
    from flows.plan import identify_graph
    from flows.sources import list_sources, require_listings

    node = preset.graph.first(stage)
    graph = preset.graph.leading_to(node)
    sources = list_sources(preset, graph)
    require_listings(sources.values())
    return load_manifest(store, stage, identify_graph(graph, sources)[node.name].fingerprint)


def find_trained(store: Store, model: str) -> Manifest:
    """The train output whose fingerprint starts with `model`, written with or without `train/`.

    Raises:
        MissingOutput: none or several start so.
    """
    start = model.removeprefix("train/")
    found = [output for output in outputs(store) if output.stage == "train" and output.fingerprint.startswith(start)]
    if len(found) != 1:
        raise MissingOutput(
            f"--model {model}: {len(found)} trained models of {store.url} start so; see `opendlign inspect train`"
        )
    return load_manifest(store, "train", found[0].fingerprint)
