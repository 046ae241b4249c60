"""Regenerate: the whole chain of a preset, from shapes to a benchmarked model.

In one process the stages are subflows. Distributed, each stage is its own deployment on its own work pool, and the
manifests in the store are where the stages meet.
"""

from collections.abc import Iterator
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
    chosen = load_preset(preset, changes or [])
    sources = list_sources(chosen)
    statuses = plan_chain(open_store(place), chosen, sources)
    if until == "evaluate":
        require_judged(chosen, sources)
    name_run(f"{chosen.name} regenerate {statuses[-1].identity.fingerprint[:8]}")
    if all(status.state == "done" for status in statuses):
        fingerprints = {status.stage: status.identity.fingerprint for status in statuses}
    else:
        chain = DeployedChain(place, chosen) if distributed else LocalChain(place, chosen)
        fingerprints = run_chain(chosen, chain, until)
    publish_summary(place, chosen.name, statuses, fingerprints)
    return fingerprints


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
