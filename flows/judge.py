"""Judge: any trained model against a preset's benchmarks, without painting or training anything."""

from prefect import flow

from flows.chain import DeployedChain, LocalChain
from flows.preset import load_preset
from flows.sources import list_judged, require_judged
from storage.output import load_manifest
from storage.settings import get_settings
from storage.stores import open_store
from tasks.artifacts import name_run
from tasks.evaluate import Inputs


@flow(name="judge")
def judge(
    model: str,
    preset: str = "mini",
    store: str | None = None,
    changes: list[str] | None = None,
    distributed: bool = False,
) -> str:
    """Evaluate a train output of the store, an imported one for instance, and return the fingerprint of the results.

    Args:
        model: Fingerprint of the train output.
        preset: Where the benchmarks, the projection and the evaluation recipe come from; its training is not run.
        store: A folder or s3://bucket/prefix; the configured store when empty.
        changes: Fields to change, such as `evaluate.methods=[opendlign]`.
        distributed: Run each stage as its deployment instead of in this process.
    """
    place = store or get_settings().store
    load_manifest(open_store(place), "train", model)
    chosen = load_preset(preset, changes or [])
    require_judged(chosen, list_judged(chosen))
    # Results are compared with earlier ones of the same name: another model is another series.
    chosen = chosen.model_copy(update={"name": f"{chosen.name}-{model[:8]}"})
    name_run(f"{chosen.name} judge", chosen.name, "judge")
    chain = DeployedChain(place, chosen) if distributed else LocalChain(place, chosen)
    clouds = tuple(chain.ingest(recipe) for recipe in chosen.benchmarks or (chosen.ingest,))
    depths = tuple(chain.project(fingerprint) for fingerprint in clouds)
    return chain.evaluate(Inputs(model=model, clouds=clouds, depths=depths))
