"""Regenerate: the whole chain of a preset, from shapes to a benchmarked model.

In one process the stages are subflows. Distributed, each stage is its own deployment on its own work pool, and the
manifests in the store are where the stages meet.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

from prefect import flow

from flows.chain import Chain, DeployedChain, LocalChain
from flows.plan import plan_chain
from flows.preset import Preset, load_preset
from flows.sources import list_sources, require_judged
from storage.settings import get_settings
from storage.stores import open_store
from tasks.artifacts import name_run
from tasks.evaluate import Inputs
from tasks.summary import publish_summary


@flow(name="regenerate")
def regenerate(
    preset: str = "mini",
    store: str | None = None,
    changes: list[str] | None = None,
    distributed: bool = False,
    until: Literal["ingest", "project", "synthesize", "train", "evaluate"] = "evaluate",
) -> dict[str, str]:
    """Bring every stage of a preset up to date and return the fingerprints.

    Args:
        preset: Name of a shipped preset, or a YAML file.
        store: A folder or s3://bucket/prefix; the configured store when empty.
        changes: Fields to change, such as `train.epochs=5`.
        distributed: Run each stage as its deployment instead of in this process.
        until: The last stage to run.
    """
    place = store or get_settings().store
    chosen = _series(load_preset(preset, changes or []), changes or [])
    sources = list_sources(chosen)
    opened = open_store(place)
    statuses = plan_chain(opened, chosen, sources)
    if until == "evaluate":
        require_judged(chosen, sources)
    name_run(f"{chosen.name} regenerate {statuses[-1].identity.fingerprint[:8]}", chosen.name, "regenerate")
    if all(status.state == "done" for status in statuses):
        # The training source comes before the benchmarks: of several outputs of a stage the first counts.
        fingerprints = {status.stage: status.identity.fingerprint for status in reversed(statuses)}
    else:
        chain = DeployedChain(place, chosen) if distributed else LocalChain(place, chosen)
        fingerprints = run_chain(chosen, chain, until)
    publish_summary(opened, chosen.name, statuses, fingerprints)
    return fingerprints


def _series(preset: Preset, changes: Sequence[str]) -> Preset:
    """The preset under a name of its own where fields were changed.

    Results are compared with earlier ones of the same name, and those of other settings are no regression of it.
    """
    if not changes:
        return preset
    digest = hashlib.sha256("\n".join(changes).encode()).hexdigest()[:4]
    return preset.model_copy(update={"name": f"{preset.name}-{digest}"})


def run_chain(preset: Preset, chain: Chain, until: str = "evaluate") -> dict[str, str]:
    """Run the stages in order; each returns at once where the store already holds its output."""
    found: dict[str, str] = {}
    for stage, fingerprint in _steps(preset, chain):
        found[stage] = fingerprint
        if stage == until:
            break
    return found


def _steps(preset: Preset, chain: Chain) -> Iterator[tuple[str, str]]:
    clouds = [chain.ingest(recipe) for recipe in (preset.ingest, *preset.benchmarks)]
    yield "ingest", clouds[0]
    depths = [chain.project(fingerprint) for fingerprint in clouds]
    yield "project", depths[0]
    aligned = chain.synthesize(depths[0])
    yield "synthesize", aligned
    model = chain.train(aligned)
    yield "train", model
    inputs = Inputs(model=model, clouds=tuple(clouds), depths=tuple(depths), aligned=aligned)
    yield "evaluate", chain.evaluate(inputs)
