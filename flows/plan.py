"""What a preset would do in a store, told before anything runs: what is done, missing or of another recipe."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from flows.preset import Preset
from opendlign_core.ingestion import IngestRecipe
from storage.fingerprint import StageIdentity
from storage.output import MANIFEST, StageOutput, find_manifest, plan_shards
from storage.records import Manifest
from storage.stores import Store
from storage.upkeep import outputs
from tasks import evaluate, ingest, project, synthesize, train
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
class ChainIdentities:
    """Identities of every stage of a preset; known before anything runs, because each follows from recipes alone."""

    clouds: tuple[StageIdentity, ...]
    depths: tuple[StageIdentity, ...]
    aligned: StageIdentity
    model: StageIdentity
    results: StageIdentity


Source = tuple[IngestRecipe, ingest.SourceListing]


def list_sources(preset: Preset) -> tuple[Source, ...]:
    """Every source of a preset with its objects: the training source first."""
    return tuple((recipe, ingest.list_source(recipe)) for recipe in (preset.ingest, *preset.benchmarks))


def identify_chain(preset: Preset, sources: tuple[Source, ...]) -> ChainIdentities:
    """Derive the fingerprints of all stages from the recipes and what the sources list."""
    clouds = tuple(ingest.identify(recipe, listing) for recipe, listing in sources)
    depths = tuple(project.identify(preset.project, identity.fingerprint) for identity in clouds)
    aligned = synthesize.identify(preset.synthesize, depths[0].fingerprint)
    model = train.identify(preset.train, aligned.fingerprint)
    inputs = evaluate.Inputs(
        model=model.fingerprint,
        clouds=tuple(identity.fingerprint for identity in clouds),
        depths=tuple(identity.fingerprint for identity in depths),
        aligned=aligned.fingerprint,
    )
    return ChainIdentities(clouds, depths, aligned, model, evaluate.identify(preset.evaluate, inputs))


def plan_chain(store: Store, preset: Preset) -> list[StageStatus]:
    """The status of every stage, in the order they run."""
    sources = list_sources(preset)
    chain = identify_chain(preset, sources)
    history = _history(store)
    statuses = []
    for (recipe, listing), clouds, depths in zip(sources, chain.clouds, chain.depths, strict=True):
        planned = ingest.plan(store, recipe, listing)
        name = f" {recipe.source.name or recipe.source.adapter}"
        statuses.append(_sharded("ingest", f"ingest{name}", planned, history["ingest"]))
        statuses.append(_following("project", f"project{name}", store, depths, clouds, history["project"]))
    statuses.append(_painting(store, preset, chain, history["synthesize"]))
    for stage, identity in (("train", chain.model), ("evaluate", chain.results)):
        statuses.append(_single(stage, store, identity, history[stage]))
    return sorted(statuses, key=lambda status: STAGES.index(status.stage))


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


def _painting(store: Store, preset: Preset, chain: ChainIdentities, history: list[Manifest]) -> StageStatus:
    depths = find_manifest(store, "project", chain.depths[0].fingerprint)
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
