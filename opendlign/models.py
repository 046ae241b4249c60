"""The trained model of a preset, found in a store, with the outputs it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.errors import MissingOutput
from storage.fingerprint import digest
from storage.output import find_manifest, load_manifest
from storage.settings import get_settings
from storage.stores import Store, open_store

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
    outputs: "EvaluatedOutputs"

    @property
    def key(self) -> str:
        """Names what an index of this model's source depends on."""
        return digest([self.model.fingerprint, self.outputs.fingerprints])

    def samples(self) -> "StoredSamples":
        from tasks.samples import StoredSamples

        return StoredSamples(self.store, [self.outputs], self.preset.execution.project)


def trained_preset(name: str, store: str | None, changes: Sequence[str]) -> TrainedPreset:
    """Load the model that a preset's recipes lead to.

    Raises:
        MissingOutput: when the store does not hold it yet.
    """
    from flows.plan import identify_chain, list_sources
    from flows.preset import load_preset
    from tasks.samples import EvaluatedOutputs
    from tasks.train import load_trained

    place = store or get_settings().store
    opened, preset = open_store(place), load_preset(name, changes)
    chain = identify_chain(preset, list_sources(preset))
    trained = find_manifest(opened, "train", chain.model.fingerprint)
    if trained is None:
        raise MissingOutput(f"{place} holds no trained {name} model; run `opendlign run --preset {name}` first")
    outputs = EvaluatedOutputs(
        load_manifest(opened, "ingest", chain.clouds[0].fingerprint),
        load_manifest(opened, "project", chain.depths[0].fingerprint),
    )
    return TrainedPreset(preset, opened, load_trained(opened, trained, "auto"), outputs)
