"""Evaluate: a trained model against labelled outputs; numbers, a table of every object, and the report."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import BENCHMARKS, STAGE_VERSION, EvalExecution, EvalRecipe
from opendlign_core.evaluation.detection.benchmark import DETECTION
from opendlign_core.evaluation.pose.benchmark import POSE
from opendlign_core.projection import resolve_recipe
from opendlign_core.samples import LOOKUPS
from storage.fetch import Fetcher
from storage.fingerprint import StageIdentity
from storage.records import Manifest
from storage.store import Store
from tasks.features import FEATURES, StoredFeatures
from tasks.guard import Verdict, check_regression
from tasks.judged import frozen_clip, judged_model, require_one_model
from tasks.ports import Companion, Input, Inputs, Origin, Port, Refs
from tasks.posenet import load_posenet
from tasks.propose import PROPOSE
from tasks.proposed import ProposedOutputs
from tasks.report import read_results, show_results, write_report
from tasks.requirements import Requirement, clip_weights, device
from tasks.samples import EvaluatedOutputs, StoredSamples, judged_objects, objects_to_encode
from tasks.shards import note_seconds
from tasks.showcase import Showcase
from tasks.stage import Job, Whole, WholeStage
from tasks.train import named_clip
from tasks.words import clip_of

if TYPE_CHECKING:
    from opendlign_core.evaluation.pose.encoders import PoseTeller

EvalJob = Job[EvalRecipe, EvalExecution]


class Evaluate(WholeStage[EvalRecipe, EvalExecution]):
    name = "evaluate"
    noun = "evaluation"
    version = STAGE_VERSION
    recipe = EvalRecipe
    execution = EvalExecution
    about = "Judge a model by the benchmarks and write the report."
    reads = (
        Port("model", "train", "Fingerprint of the train output; none judges evaluate.clip.", optional=True),
        Port("clouds", "ingest", "Fingerprints of the ingest output of each source.", many=True),
        Port(
            "depths",
            "project",
            "Fingerprints of depth maps, by name of the projection.",
            many=True,
            optional=True,
            labelled=True,
        ),
        Port("aligned", "synthesize", "Fingerprint of painted images of the first source.", optional=True),
        Port(
            "proposals",
            "propose",
            "Fingerprints of what stands in boxes of scenes, by kind of the proposer.",
            many=True,
            optional=True,
            labelled=True,
        ),
        Port(
            "networks",
            "posenet",
            "Fingerprints of networks that tell poses, by network.",
            many=True,
            optional=True,
            labelled=True,
        ),
    )
    pool = "gpu"
    shows = (*(name for benchmark in BENCHMARKS for name in benchmark.shows), "summary")
    beside = (FEATURES,)

    def companions(self, recipe: EvalRecipe) -> Sequence[Companion]:
        """Proposals and depth maps of every published projection that benchmarks read, for the data sets' sources."""
        sources, kept = recipe.sources(), {"places": LOOKUPS} if recipe.reads.placed else {}
        named = {name: resolve_recipe(name) for name in recipe.projections()}
        drawn = [Companion("project", name, drawn.replace(**kept), sources) for name, drawn in named.items()]
        return [*_proposers(recipe, sources), *drawn]

    def usual(self, given: Mapping[str, Any]) -> Collection[str]:
        """Depth maps, but where photos alone are judged."""
        return () if set(given.get("tasks") or ()) == {POSE.name} else ("project",)

    def spell_out(self, given: Mapping[str, Any], preset: Mapping[str, Any]) -> Mapping[str, Any]:
        """`clip: package:NAME` stands for a CLIP as in `train`; without data sets, each judged source is one."""
        judged = preset.get("benchmarks") or [preset.get("ingest") or {}]
        names = [name for one in judged if (name := _source_name(one))]
        datasets = [{"name": name, "sources": [name]} for name in names]
        return {**({"datasets": datasets} if datasets else {}), **named_clip(given)}

    def identify(self, recipe: EvalRecipe, refs: Refs, origin: Origin | None = None) -> StageIdentity:
        """Refuses an evaluation that has no model, or two."""
        require_one_model(bool(refs.get("model")), recipe.clip)
        return super().identify(recipe, refs, origin)

    def requires(self, recipe: EvalRecipe, execution: EvalExecution) -> Iterable[Requirement]:
        return (*(clip_weights(recipe.clip) if recipe.clip else ()), *device(execution.device))

    def misfit(self, recipe: EvalRecipe, made_from: Mapping[str, Sequence[Any]]) -> str:
        """Points are judged where clouds keep their parts and maps the places of their points."""
        clouds, depths = made_from.get("clouds", ()), made_from.get("depths", ())
        if recipe.reads.maps and "depths" not in made_from:
            return "it judges depth maps: give the preset a stage project"
        if recipe.reads.proposed and not made_from.get("proposals"):
            return "it judges boxes in scenes: give the preset a source of scenes and a stage propose"
        if not recipe.reads.placed:
            return ""
        if clouds and not any(one.keep_parts for one in clouds):
            return "it judges the parts of points: ingest a source that numbers them with keep_parts=true"
        if depths and not any(one.places for one in depths):
            return "it judges points where depth maps show them: project with places=[corrected, faithful]"
        return ""

    def lacks(self, recipe: EvalRecipe, there: Collection[tuple[str, str]]) -> str:
        """A data set that no source has an object for."""
        for dataset in recipe.datasets:
            splits = {split for source, split in there if not dataset.sources or source in dataset.sources}
            if not splits or dataset.split not in (*splits, None):
                has = ", ".join(sorted(f"{source} has {split or 'no split'}" for source, split in there))
                return (
                    f"nothing to judge {dataset.name} on, no object is in the split {dataset.split} ({has}). Draw one "
                    "with --set ingest.source.options.train_share=0.75 (adapters folder and list), change "
                    "evaluate.datasets, or stop at `opendlign train`"
                )
        return ""

    def build(self, job: EvalJob, folder: Path) -> Whole:
        """Run the benchmarks; how long they took is no part of what was found."""
        from opendlign_core.evaluation import evaluate, write_results
        from opendlign_core.evaluation.paired import gains_over

        started, store, execution = time.monotonic(), job.store, job.execution
        trained = job.optional("model")
        model = judged_model(store, trained, job.recipe.clip, execution.device)
        sources = tuple(evaluated_outputs(job.inputs))
        proposals = tuple(proposed_outputs(job.inputs))
        samples = StoredSamples(store, sources, proposals, trained_networks(job))
        features = StoredFeatures(store, job.output.folder)
        # From the start, also where this is another attempt.
        job.progress.reach(0, objects_to_encode(job.recipe, samples))
        results, scored = evaluate(model, job.recipe, samples, execution, features, job.progress.advance)
        read = job.progress.done
        remembered = max(0, job.progress.total - job.progress.done)
        job.progress.advance(remembered, remembered=remembered)
        numbers, table = write_results(results.model_copy(update={"seconds": {}}), scored, folder)
        # Benchmarks of points score no objects; what was read is what was judged.
        judged = len({(part.dataset, name) for part in scored for name in part.object_ids}) or read
        note_seconds(job.output, "whole", time.monotonic() - started, judged)
        shown = job.recipe.primary.projection
        frozen = job.recipe.frozen
        gains = gains_over(frozen.name, scored, job.recipe.bootstrap) if frozen else ()
        page = folder / "report.html"
        clip = clip_of(trained) if trained else frozen_clip(job.recipe.clip)
        report = write_report(page, job.output, results, trained, sources, shown, execution, clip, gains)
        files = {"results": numbers, "objects": table, "report": report}
        return Whole(files, judged, {"judged": judged_objects(job.recipe, samples)})

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        show_results(store, manifest, ui)

    def accept(self, store: Store, manifest: Manifest, execution: EvalExecution, series: str) -> None:
        """Refuse results that fell too far below the best accepted ones of the series on the same objects."""
        check_regression(store, series, verdict_of(store, manifest), execution.allowed_drop)


EVALUATE = Evaluate()


def _proposers(recipe: EvalRecipe, sources: frozenset[str]) -> Iterator[Companion]:
    if recipe.reads.proposed:
        for given in DETECTION.options_in(recipe).proposers:
            proposer = PROPOSE.recipe.model_validate(dict(given))
            yield Companion(PROPOSE.name, PROPOSE.label(given), proposer, sources)


def verdict_of(store: Store, manifest: Manifest) -> Verdict:
    """What a finished evaluation found, and on what."""
    return Verdict(manifest.fingerprint, read_results(store, manifest), manifest.summary.get("judged", {}))


def _source_name(ingest: Mapping[str, Any]) -> str:
    """How people and object ids call the source of an ingest recipe that is still a mapping."""
    source = ingest.get("source")
    return str(source.get("name") or source.get("adapter", "")) if isinstance(source, Mapping) else ""


def evaluated_outputs(inputs: Inputs) -> Iterator[EvaluatedOutputs]:
    """The outputs of each source: its clouds with the depth maps made from them; painted images are the first's."""
    for index, clouds in enumerate(inputs["clouds"]):
        aligned = inputs.get("aligned", ()) if index == 0 else ()
        yield EvaluatedOutputs(
            clouds=clouds.manifest,
            depths={given.label: given.manifest for given in _made_from(clouds.manifest, inputs.get("depths", ()))},
            aligned=next((given.manifest for given in aligned), None),
        )


def proposed_outputs(inputs: Inputs) -> Iterator[ProposedOutputs]:
    """What every proposer made of the scenes that are read, with the depth maps of it."""
    known = {clouds.manifest.fingerprint: clouds.manifest for clouds in inputs["clouds"]}
    for proposals in inputs.get("proposals", ()):
        scenes = known.get(proposals.manifest.upstream["ingest"])
        if scenes is None:
            raise BadInput(
                f"{proposals.manifest.folder} was proposed in scenes that are not among the clouds; add them"
            )
        depths = {given.label: given.manifest for given in _made_from(proposals.manifest, inputs.get("depths", ()))}
        yield ProposedOutputs(proposals.label, scenes, proposals.manifest, depths)


def trained_networks(job: EvalJob) -> "dict[str, PoseTeller]":
    """The networks that tell poses, by their names; of one name, numbered."""
    found: dict[str, PoseTeller] = {}
    for given in job.inputs.get("networks", ()):
        again = sum(name.partition(" #")[0] == given.label for name in found)
        name = f"{given.label} #{again + 1}" if again else given.label
        found[name] = load_posenet(job.store, given.manifest, job.execution.device)
    return found


def _made_from(clouds: Manifest, depths: Sequence[Input]) -> Iterator[Input]:
    return (given for given in depths if given.manifest.upstream.get(clouds.stage) == clouds.fingerprint)


def fetch_file(store: Store, manifest: Manifest, name: str, target: Path) -> Path:
    """Bring one committed file of an output to a local path."""
    with Fetcher(store) as fetcher:
        return fetcher.copy(manifest, name, target)
