"""Regenerate: the whole chain of a preset, from shapes to a benchmarked model.

In one process the stages are subflows. Distributed, each stage is its own deployment on its own work pool, and the
manifests in the store are where the stages meet.
"""

from prefect import flow
from tasks.summary import publish_summary

from flows.chain import Chain, DeployedChain, LocalChain
from flows.plan import STAGES, plan_chain
from flows.preset import Preset, load_preset
from storage.settings import get_settings
from storage.stores import open_store
from tasks.artifacts import name_run
from tasks.evaluate import Inputs


@flow(name="regenerate")
def regenerate(
    preset: str = "mini",
    store: str | None = None,
    changes: list[str] | None = None,
    distributed: bool = False,
) -> dict[str, str]:
    """Bring every stage of a preset up to date and return the fingerprints.

    Args:
        preset: Name of a shipped preset, or a YAML file.
        store: A folder or s3://bucket/prefix; the configured store when empty.
        changes: Fields to change, such as `train.epochs=5`.
        distributed: Run each stage as its deployment instead of in this process.
    """
    place = store or get_settings().store
    chosen = load_preset(preset, changes or [])
    statuses = plan_chain(open_store(place), chosen)
    name_run(f"{chosen.name} regenerate {statuses[-1].identity.fingerprint[:8]}")
    if all(status.state == "done" for status in statuses):
        fingerprints = {status.title: status.identity.fingerprint for status in statuses}
    else:
        fingerprints = run_chain(chosen, DeployedChain(place, chosen) if distributed else LocalChain(place, chosen))
    publish_summary(place, chosen.name, statuses, fingerprints)
    return fingerprints


def run_chain(preset: Preset, chain: Chain) -> dict[str, str]:
    """Run the stages in order; each returns at once where the store already holds its output."""
    clouds = [chain.ingest(recipe) for recipe in (preset.ingest, *preset.benchmarks)]
    depths = [chain.project(fingerprint) for fingerprint in clouds]
    aligned = chain.synthesize(depths[0])
    model = chain.train(aligned)
    inputs = Inputs(model=model, clouds=tuple(clouds), depths=tuple(depths), aligned=aligned)
    found = (clouds[0], depths[0], aligned, model, chain.evaluate(inputs))
    return dict(zip(STAGES, found, strict=True))
