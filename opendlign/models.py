"""Which trained model answers: the options that every verb shares, and the model that they mean in a store."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from opendlign.ask import Changes, Source, StoreUrl, spelled, wanted_changes
from opendlign_core.errors import BadInput
from storage.errors import MissingOutput
from storage.fingerprint import digest
from storage.inventory import outputs
from storage.lineage import lineage
from storage.output import load_manifest
from storage.records import Manifest
from storage.settings import get_settings
from storage.store import Store
from storage.stores import open_store

if TYPE_CHECKING:
    from flows.preset import Preset
    from opendlign_core.clip import ClipSpec
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.ingestion import IngestExecution, IngestRecipe
    from opendlign_core.projection import ProjectionRecipe
    from tasks.samples import EvaluatedOutputs, StoredSamples

OWN = "own"
"""The name that the depth maps of a model's own projection go by."""


@Parameter(name="*")
@dataclass(frozen=True)
class Which:
    """The options that say which trained model is meant; none of them means that of the store's last run."""

    preset: Annotated[str | None, Parameter(help="The preset whose model is meant (default: the last run's)")] = None
    store: StoreUrl = None
    set_: Changes = None
    source: Source = None
    model: Annotated[str | None, Parameter(help="A trained model of the store by its fingerprint")] = None

    @property
    def names_a_run(self) -> bool:
        """Whether a preset is meant, with its source and changes, and not what the store remembers."""
        return bool(self.preset or self.set_ or self.source)

    @property
    def chosen(self) -> str:
        """The preset that is meant where a run is named."""
        return self.preset or "mini"

    @property
    def changes(self) -> list[str]:
        return wanted_changes(self.set_, self.source)

    @property
    def words(self) -> str:
        """The options as they would be typed for `opendlign run`."""
        return spelled(self.chosen, self.store, self.set_ or [], self.source)

    def open(self) -> Store:
        return open_store(self.store or get_settings().store)


@dataclass(frozen=True)
class Trained:
    """A trained model of a store with all that shapes need on their way into it."""

    store: Store
    manifest: Manifest
    source: "IngestRecipe"
    """How shapes become the clouds that it saw."""
    reading: "IngestExecution"
    """What time and memory reading them may take."""
    projection: "ProjectionRecipe"
    told: str
    """Where the model comes from, in words."""
    _seen: Callable[[], tuple[Manifest, Manifest]]

    @cached_property
    def clip(self) -> "ClipSpec":
        from tasks.words import clip_of

        return clip_of(self.manifest)

    @cached_property
    def model(self) -> "EvaluatedModel":
        from tasks.train import load_trained

        return load_trained(self.store, self.manifest, "auto")

    @cached_property
    def outputs(self) -> "EvaluatedOutputs":
        """The clouds and depth maps of the source; asked for only by what searches among them."""
        from tasks.samples import EvaluatedOutputs

        clouds, depths = self._seen()
        return EvaluatedOutputs(clouds, {OWN: depths})

    @property
    def key(self) -> str:
        """Names what an index of this model's source depends on."""
        return digest([self.model.fingerprint, self.model.weights, self.outputs.contents(OWN)])

    def samples(self) -> "StoredSamples":
        from tasks.samples import StoredSamples

        return StoredSamples(self.store, [self.outputs])


def find(which: Which) -> Trained:
    """The model that the options mean, not loaded yet.

    Raises:
        MissingOutput: when the store does not hold it yet.
        BadInput: it was trained elsewhere, and nothing says what depth maps it reads.
    """
    store = which.open()
    if which.names_a_run:
        return _of_preset(store, which)
    if which.model:
        return _of_store(store, find_trained(store, which.model), "named by --model")
    from flows.history import last_run

    if (found := last_run(store, "train")) is None:
        raise MissingOutput(
            f"{store.url} has seen no run that trained a model: `opendlign run` first (one that is finished takes "
            "seconds), or name the model with --preset or --model"
        )
    note, manifest = found
    return _of_store(store, manifest, f"preset {note.preset}, the last run of {store.url}")


def _of_preset(store: Store, which: Which) -> Trained:
    from flows.preset import load_preset

    preset = load_preset(which.chosen, which.changes)
    manifest = find_trained(store, which.model) if which.model else _own_model(store, preset, which)

    def seen() -> tuple[Manifest, Manifest]:
        return own_output(store, preset, "ingest"), own_output(store, preset, "project")

    told = f"preset {preset.name}" + (f", source {which.source}" if which.source else "")
    reading = preset.executions["ingest"]
    return Trained(store, manifest, preset.source, reading, preset.recipes["project"], told, seen)


def _of_store(store: Store, manifest: Manifest, told: str) -> Trained:
    """A model with the recipes and outputs that its own manifest leads to."""
    from opendlign_core.ingestion import IngestExecution, IngestRecipe
    from opendlign_core.projection import ProjectionRecipe

    made_from = {one.stage: one for one in lineage(store, manifest)}
    if not {"ingest", "project"} <= made_from.keys():
        raise BadInput(
            f"{manifest.folder} was trained elsewhere, and {store.url} does not say what depth maps it reads: name "
            "the preset that it is to be used with, such as --preset vit-b-32"
        )
    clouds, depths = made_from["ingest"], made_from["project"]
    source, projection = IngestRecipe.model_validate(clouds.recipe), ProjectionRecipe.model_validate(depths.recipe)
    told = f"source {source.source.name or source.source.adapter}, {told}"
    return Trained(store, manifest, source, IngestExecution(), projection, told, lambda: (clouds, depths))


def _own_model(store: Store, preset: "Preset", which: Which) -> Manifest:
    if "train" not in preset.graph.stages:
        raise MissingOutput(f"the preset {preset.name} trains no model; name one of the store with --model")
    try:
        return own_output(store, preset, "train")
    except MissingOutput as error:
        raise MissingOutput(
            f"{store.url} holds no trained {which.chosen} model; run `opendlign run {which.words}` first"
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
