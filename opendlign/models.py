"""The trained model of a preset, found in a store, with the outputs it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from storage.errors import MissingOutput
from storage.fingerprint import digest
from storage.output import find_manifest, load_manifest
from storage.records import Manifest
from storage.settings import get_settings
from storage.stores import Store, open_store
from storage.upkeep import outputs

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
        from flows.plan import identify_chain, list_sources
        from tasks.samples import EvaluatedOutputs

        chain = identify_chain(self.preset, list_sources(self.preset))
        return EvaluatedOutputs(
            load_manifest(self.store, "ingest", chain.clouds[0].fingerprint),
            load_manifest(self.store, "project", chain.depths[0].fingerprint),
        )

    @property
    def key(self) -> str:
        """Names what an index of this model's source depends on."""
        return digest([self.model.fingerprint, self.outputs.fingerprints])

    def samples(self) -> "StoredSamples":
        from tasks.samples import StoredSamples

        return StoredSamples(self.store, [self.outputs], self.preset.execution.project)


def trained_preset(name: str, store: str | None, changes: Sequence[str], model: str = "") -> TrainedPreset:
    """Load the model that a preset's recipes lead to or, where `model` names one, that train output of the store.

    Raises:
        MissingOutput: when the store does not hold it yet.
    """
    from flows.preset import load_preset
    from tasks.train import load_trained

    place = store or get_settings().store
    opened, preset = open_store(place), load_preset(name, changes)
    trained = find_trained(opened, model) if model else _own_model(opened, preset)
    if trained is None:
        raise MissingOutput(f"{place} holds no trained {name} model; run `opendlign run --preset {name}` first")
    return TrainedPreset(preset, opened, load_trained(opened, trained, "auto"))


def _own_model(store: Store, preset: "Preset") -> Manifest | None:
    from flows.plan import identify_chain, list_sources

    chain = identify_chain(preset, list_sources(preset))
    return find_manifest(store, "train", chain.model.fingerprint)


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
