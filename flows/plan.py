"""What a preset would do in a store, told before anything runs: what is done, missing or of another recipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flows.preset import Preset
from flows.sources import ListedSource, list_sources, require_listings
from storage.fingerprint import StageIdentity
from storage.inventory import outputs
from storage.output import MANIFEST, StageOutput, find_manifest, plan_shards
from storage.records import Manifest
from storage.stores import Store
from tasks import evaluate, ingest, project, synthesize, train
from tasks.listing import SourceListing
from tasks.shards import StagePlan, follow_shards

STAGES = ("ingest", "project", "synthesize", "train", "evaluate")

State = Literal["done", "partial", "missing", "stale"]


@dataclass(frozen=True)
class StageStatus:
    """One stage of a preset in a store.

    `stale` means that the stage was built before with other settings: `changes` says which, field by field.
    """

    stage: str
    title: str
    identity: StageIdentity
    state: State
    shards_done: int
    shards: int | None
    """Planned shards; None while an earlier stage must run before anyone can tell."""
    changes: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return self.identity.folder


@dataclass(frozen=True)
class UnknownStage:
    """A stage that nobody can tell anything of, because it reads sources that are absent."""

    stage: str
    title: str
    absent: tuple[str, ...]
    """Names of those sources."""


Planned = StageStatus | UnknownStage


@dataclass(frozen=True)
class TrainingIdentities:
    """Identities of the stages up to the model; known before anything runs, as each follows from recipes alone."""

    clouds: StageIdentity
    depths: StageIdentity
    aligned: StageIdentity
    model: StageIdentity


def identify_training(preset: Preset, listing: SourceListing) -> TrainingIdentities:
    """Derive the fingerprints of the stages that lead to the model from the recipes and what the source lists."""
    clouds = ingest.identify(preset.ingest, listing)
    depths = project.identify(preset.project, clouds.fingerprint)
    aligned = synthesize.identify(preset.synthesize, depths.fingerprint)
    return TrainingIdentities(clouds, depths, aligned, train.identify(preset.train, aligned.fingerprint))


def plan_chain(store: Store, preset: Preset, sources: Sequence[ListedSource] = ()) -> list[StageStatus]:
    """The status of every stage, in the order they run; `sources` saves a second listing where it was made already.

    Raises:
        SourceAbsent: when a source of the preset is not there.
    """
    sources = sources or list_sources(preset)
    require_listings(sources)
    return [found for found in survey_chain(store, preset, sources) if isinstance(found, StageStatus)]


def survey_chain(store: Store, preset: Preset, sources: Sequence[ListedSource]) -> list[Planned]:
    """Like `plan_chain`, for any machine: what reads an absent source is listed as unknown."""
    history = _history(store)
    found: list[Planned] = []
    depths: list[Planned] = []
    for source in sources:
        clouds, projected = _source_stages(store, preset, source, history)
        found.append(clouds)
        depths.append(projected)
    found += depths
    found += _training_stages(store, preset, sources[0], history)
    return [*found, _results_stage(store, preset, found, sources, history)]


def _source_stages(
    store: Store, preset: Preset, source: ListedSource, history: dict[str, list[Manifest]]
) -> tuple[Planned, Planned]:
    """Clouds and depth maps of one source."""
    titles = f"ingest {source.name}", f"project {source.name}"
    if source.listing is None:
        absent = (source.name,)
        return UnknownStage("ingest", titles[0], absent), UnknownStage("project", titles[1], absent)
    planned = ingest.plan(store, source.recipe, source.listing)
    clouds = planned.output.identity
    depths = project.identify(preset.project, clouds.fingerprint)
    return (
        _sharded("ingest", titles[0], planned, history["ingest"]),
        _following("project", titles[1], store, depths, clouds, history["project"]),
    )


def _training_stages(
    store: Store, preset: Preset, source: ListedSource, history: dict[str, list[Manifest]]
) -> list[Planned]:
    if source.listing is None:
        return [UnknownStage(stage, stage, (source.name,)) for stage in ("synthesize", "train")]
    chain = identify_training(preset, source.listing)
    painting = _painting(store, preset, chain, history["synthesize"])
    return [painting, _single("train", store, chain.model, history["train"])]


def _results_stage(
    store: Store,
    preset: Preset,
    found: Sequence[Planned],
    sources: Sequence[ListedSource],
    history: dict[str, list[Manifest]],
) -> Planned:
    known = [status for status in found if isinstance(status, StageStatus)]
    if len(known) < len(found):
        return UnknownStage("evaluate", "evaluate", tuple(s.name for s in sources if s.listing is None))
    fingerprints = {stage: [s.identity.fingerprint for s in known if s.stage == stage] for stage in STAGES}
    inputs = evaluate.Inputs(
        model=fingerprints["train"][0],
        clouds=tuple(fingerprints["ingest"]),
        depths=tuple(fingerprints["project"]),
        aligned=fingerprints["synthesize"][0],
    )
    return _single("evaluate", store, evaluate.identify(preset.evaluate, inputs), history["evaluate"])


def _sharded(stage: str, title: str, planned: StagePlan, history: list[Manifest]) -> StageStatus:
    total, missing = len(planned.shards), len(planned.missing)
    identity = planned.output.identity
    if planned.manifest is not None:
        return StageStatus(stage, title, identity, "done", total, total)
    if missing < total:
        return StageStatus(stage, title, identity, "partial", total - missing, total)
    return _absent(stage, title, identity, total, history)


def _following(
    stage: str, title: str, store: Store, identity: StageIdentity, upstream: StageIdentity, history: list[Manifest]
) -> StageStatus:
    clouds = find_manifest(store, upstream.stage, upstream.fingerprint)
    if clouds is None:
        return _single(stage, store, identity, history, title)
    return _sharded(stage, title, StagePlan.look(StageOutput(store, identity), follow_shards(clouds)), history)


def _painting(store: Store, preset: Preset, chain: TrainingIdentities, history: list[Manifest]) -> StageStatus:
    depths = find_manifest(store, "project", chain.depths.fingerprint)
    if depths is None:
        return _single("synthesize", store, chain.aligned, history)
    shards = plan_shards(depths.samples, preset.synthesize.shard_size)
    return _sharded("synthesize", "synthesize", StagePlan.look(StageOutput(store, chain.aligned), shards), history)


def _single(
    stage: str, store: Store, identity: StageIdentity, history: list[Manifest], title: str = ""
) -> StageStatus:
    if find_manifest(store, stage, identity.fingerprint) is not None:
        return StageStatus(stage, title or stage, identity, "done", 1, 1)
    return _absent(stage, title or stage, identity, None, history)


def _absent(
    stage: str, title: str, identity: StageIdentity, shards: int | None, history: list[Manifest]
) -> StageStatus:
    """Missing or, where a sibling was built by another recipe, stale with the smallest difference to any of them."""
    differences = [tuple(differing_fields(_described(other), _described(identity))) for other in history]
    if not differences:
        return StageStatus(stage, title, identity, "missing", 0, shards)
    return StageStatus(stage, title, identity, "stale", 0, shards, min(differences, key=len))


def _described(thing: Manifest | StageIdentity) -> dict[str, Any]:
    return {"version": thing.version, "recipe": thing.recipe, "upstream": thing.upstream}


def differing_fields(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Lines such as `recipe.epochs: 10 -> 5` for every leaf that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differing_fields(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _history(store: Store) -> dict[str, list[Manifest]]:
    """The finished outputs of every stage, whatever recipe made them."""
    found: dict[str, list[Manifest]] = {stage: [] for stage in STAGES}
    for output in outputs(store):
        if output.stage in found and MANIFEST in output.objects:
            manifest = find_manifest(store, output.stage, output.fingerprint)
            found[output.stage] += [manifest] if manifest else []
    return found
