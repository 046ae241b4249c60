"""Evaluate: a trained model against labelled depth maps; numbers, a table of every object, and the report."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from prefect import task
from pydantic import Field

from opendlign_core.evaluation import STAGE_VERSION, EvalExecution, EvalRecipe
from opendlign_core.projection import ProjectionExecution
from opendlign_core.recipe import Recipe
from storage.fetch import Fetcher
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, find_manifest, load_manifest
from storage.records import Manifest
from storage.stores import Store
from tasks.policy import SHARD_TASK
from tasks.progress import current_progress
from tasks.report import write_report
from tasks.samples import EvaluatedOutputs, StoredFeatures, StoredSamples
from tasks.shards import ShardWork, note_seconds
from tasks.slots import gpu_slot

STAGE = "evaluate"


class Inputs(Recipe):
    """Fingerprints of what an evaluation reads: a trained model, and the outputs of one or more sources."""

    model: str = Field(description="of the train output")
    clouds: tuple[str, ...] = Field(description="of the ingest output of each source")
    depths: tuple[str, ...] = Field(description="of the project output of each source, in the same order")
    aligned: str | None = None
    """The painted images of the first source, for image queries and the report."""

    def upstream(self) -> dict[str, str]:
        named = {"train": self.model}
        for place, (clouds, depths) in enumerate(zip(self.clouds, self.depths, strict=True)):
            number = f"-{place}" if place else ""
            named |= {f"ingest{number}": clouds, f"project{number}": depths}
        return named if self.aligned is None else {**named, "synthesize": self.aligned}


def identify(recipe: EvalRecipe, inputs: Inputs) -> StageIdentity:
    return StageIdentity.of(STAGE, STAGE_VERSION, recipe, inputs.upstream())


def output(store: Store, recipe: EvalRecipe, inputs: Inputs) -> StageOutput:
    return StageOutput(store, identify(recipe, inputs))


@task(name="evaluate-model", **SHARD_TASK)
def evaluate_model(work: ShardWork, recipe: EvalRecipe, execution: EvalExecution, inputs: Inputs) -> str:
    """Run the benchmark and commit its results; returns the fingerprint."""
    from opendlign_core.evaluation import evaluate, write_results
    from tasks.train import load_trained

    target, started = work.open(), time.monotonic()
    store = target.store
    trained = load_manifest(store, "train", inputs.model)
    model = load_trained(store, trained, execution.device)
    sources = tuple(read_outputs(store, inputs))
    progress = current_progress()
    samples = StoredSamples(store, sources, ProjectionExecution(device=execution.device), progress.advance)
    # From the start, also where this is another attempt.
    progress.reach(0, objects_to_encode(recipe, samples))
    with gpu_slot(execution.device):
        results, scored = evaluate(model, recipe, samples, execution, StoredFeatures(store, target.folder))
    remembered = progress.total - progress.done
    progress.advance(remembered, remembered=remembered)
    with tempfile.TemporaryDirectory(prefix="opendlign-results-") as scratch:
        # How long it took is no part of what was found.
        numbers, table = write_results(results.model_copy(update={"seconds": {}}), scored, Path(scratch))
        note_seconds(
            target, "evaluation", time.monotonic() - started, sum(row.objects for row in results.primary_rows())
        )
        report = write_report(Path(scratch) / "report.html", target, results, trained, sources, execution)
        target.commit_manifest(files={"results": numbers, "objects": table, "report": report})
    return target.identity.fingerprint


def objects_to_encode(recipe: EvalRecipe, samples: StoredSamples) -> int:
    """How many objects are read where no features are remembered: each once for all methods that see its pixels."""
    passes = {
        (samples.identity(dataset, split, method.projection), method.pixels): (dataset, split, method.projection)
        for dataset in recipe.datasets
        for method in recipe.methods
        for split in recipe.splits_read(dataset, method)
    }
    return sum(samples.count(*read) for read in passes.values())


def read_outputs(store: Store, inputs: Inputs) -> Iterator[EvaluatedOutputs]:
    """The manifests of the evaluated sources; painted images belong to the first."""
    for place, (clouds, depths) in enumerate(zip(inputs.clouds, inputs.depths, strict=True)):
        aligned = inputs.aligned if place == 0 else None
        yield EvaluatedOutputs(
            clouds=load_manifest(store, "ingest", clouds),
            depths=load_manifest(store, "project", depths),
            aligned=find_manifest(store, "synthesize", aligned) if aligned else None,
        )


def fetch_file(store: Store, manifest: Manifest, name: str, target: Path) -> Path:
    """Bring one committed file of an output to a local path."""
    with Fetcher(store) as fetcher:
        return fetcher.copy(manifest, name, target)
