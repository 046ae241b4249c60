"""The trained model of a preset, found in a store, with the outputs it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from storage.errors import MissingOutput
from storage.fingerprint import digest
from storage.inventory import outputs
from storage.output import find_manifest, load_manifest
from storage.records import Manifest
from storage.settings import get_settings
from storage.stores import Store, open_store

if TYPE_CHECKING:
    from flows.plan import TrainingIdentities
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

        chain = training_identities(self.preset)
        return EvaluatedOutputs(
            load_manifest(self.store, "ingest", chain.clouds.fingerprint),
            load_manifest(self.store, "project", chain.depths.fingerprint),
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

    place = store or get_settings().store
    opened, preset = open_store(place), load_preset(name, changes)
    trained = find_trained(opened, model) if model else _own_model(opened, preset)
    if trained is None:
        raise MissingOutput(f"{place} holds no trained {name} model; run `opendlign run --preset {name}` first")
    from tasks.train import load_trained

    return TrainedPreset(preset, opened, load_trained(opened, trained, "auto"))


def _own_model(store: Store, preset: "Preset") -> Manifest | None:
    return find_manifest(store, "train", training_identities(preset).model.fingerprint)


def training_identities(preset: "Preset") -> "TrainingIdentities":
    """What the stages up to the preset's model are called; its benchmarks need not be there."""
    from flows.sources import list_training_source, require_listings

    (listing,) = require_listings([list_training_source(preset)])
    from flows.plan import identify_training

    return identify_training(preset, listing)


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
