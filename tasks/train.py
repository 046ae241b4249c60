"""Train: aligned shards become the weights of the depth branch; a crash costs at most one epoch, on any machine."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opendlign_core.clip import ClipSpec
from opendlign_core.errors import BadInput
from opendlign_core.samples import Meta
from opendlign_core.samples.sample import read_meta
from opendlign_core.training import CACHE_STAGE_VERSION, STAGE_VERSION, TrainExecution, TrainRecipe
from storage.fetch import Fetcher
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.checkpoints import KEPT, StoredCheckpoints
from tasks.ports import Inputs, Port
from tasks.requirements import Requirement, clip_weights, device
from tasks.showcase import Showcase
from tasks.stage import Job, Need, Views, Whole, WholeStage
from tasks.tokens import TOKENS, TokensRecipe
from tasks.training_data import training_source

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.training.depth_branch.model import DepthAlignedCLIP
    from opendlign_core.training.depth_branch.validation import Validation

TRAIN_SPLIT = "train"
VALIDATION_SPLIT = "val"


class Train(WholeStage[TrainRecipe, TrainExecution]):
    """A model is what the recipe trains on the aligned shards; the token cache is only a shortcut."""

    name = "train"
    noun = "training"
    # The bytes of the token cache decide those of the weights, though it is not among what is read.
    version = STAGE_VERSION + CACHE_STAGE_VERSION - 1
    recipe = TrainRecipe
    execution = TrainExecution
    about = "Train the depth branch on depth-aligned images."
    reads = (Port("aligned", "synthesize", "Fingerprint of the synthesize output, or align/ID.", also=("align",)),)
    pool = "gpu"
    shows = ("metrics", "curves", "checkpoint")
    beside = (KEPT,)
    unit = "steps"

    def spell_out(self, given: Mapping[str, Any], preset: Mapping[str, Any]) -> Mapping[str, Any]:
        """`official: MODEL` starts from a published recipe, `clip: package:NAME` from weights shipped with this."""
        fields = dict(given)
        if "official" in fields:
            fields = {**TrainRecipe.official(fields.pop("official")).model_dump(), **fields}
        return named_clip(fields)

    def requires(self, recipe: TrainRecipe, execution: TrainExecution) -> Iterable[Requirement]:
        return (*clip_weights(recipe.clip), *device(execution.device))

    def lacks(self, recipe: TrainRecipe, there: Collection[tuple[str, str]]) -> str:
        """Objects to train on."""
        splits = sorted({split or "no split" for _, split in there})
        if TRAIN_SPLIT in splits:
            return ""
        return (
            f"nothing to train on: no object is in the split {TRAIN_SPLIT} (there is {', '.join(splits)}). Name it in "
            "the list, or draw one with --set ingest.source.options.train_share=0.75 (adapters folder and list)"
        )

    def bytes_each(self, recipe: TrainRecipe, views: Views) -> int:
        """The cached tokens, which dwarf everything else."""
        tokens, width = recipe.clip.grid
        wide = 4 if recipe.cache_dtype == "float32" else 2
        return views.number * tokens * width * wide if recipe.trainer == "cached" else 0

    def needs(self, recipe: TrainRecipe, inputs: Inputs) -> Sequence[Need[TokensRecipe]]:
        """The token caches of the cached trainer: of the training objects and, if there are any, of held-out ones."""
        if recipe.trainer != "cached":
            return ()
        present: dict[str, int] = inputs["aligned"][0].manifest.summary.get("splits", {})
        splits = [split for split in (TRAIN_SPLIT, VALIDATION_SPLIT) if present.get(split)]
        return [Need(TOKENS, TokensRecipe(cache=recipe.cache_recipe(), split=s), inputs, label=s) for s in splits]

    def build(self, job: Job[TrainRecipe, TrainExecution], folder: Path) -> Whole:
        """Train to the end, from the newest checkpoint in the store if there is one."""
        from opendlign_core.clip import choose_device
        from opendlign_core.training import new_model, train

        aligned = job.manifest("aligned")
        kept = _checkpoints(job)
        kept.restore(folder)
        source = training_source(job, TRAIN_SPLIT)
        if source is None:
            raise BadInput(f"{aligned.folder} holds no object of the split {TRAIN_SPLIT!r} to train on")
        model = new_model(_verified(job), choose_device(job.execution.device))
        result = train(
            source,
            self.fingerprinted(job.recipe),
            job.execution,
            folder,
            model=model,
            validation=_validation(job, model),
            fingerprint=job.output.identity.fingerprint,
            on_progress=lambda progress: job.progress.reach(progress.step, progress.steps, progress.resumed),
            on_checkpoint=lambda path: kept.save(path, folder),
        )
        files = {"adapter": result.weights, "metrics": result.metrics, "curves": result.curves}
        if (clip := job.recipe.clip.local_weights) is not None:
            files["clip"] = clip  # what has no published name travels with what was trained on it
        summary = {"steps": result.steps, "validation": result.validation}
        return Whole(files, aligned.summary["splits"][TRAIN_SPLIT], summary)

    def committed(self, job: Job[TrainRecipe, TrainExecution]) -> None:
        _checkpoints(job).clear()

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        """Its curves, its last validation, and where the weights lie; an imported model was trained elsewhere."""
        roles = {stored.name for stored in manifest.files}
        if "curves" in roles:
            with Fetcher(store) as fetcher:
                curves = fetcher.path(manifest, manifest.file("curves")).read_bytes()
            ui.picture("curves", curves, "Loss and accuracy over training steps")
        found: dict[str, float] = manifest.summary.get("validation", {})
        rows = [{"measure": "steps", "value": manifest.summary.get("steps", 0)}]
        rows += [
            {"measure": name.replace("_", " "), "value": round(value, 4)} for name, value in sorted(found.items())
        ]
        ui.table("metrics", rows, "The last validation, as fractions")
        weights = f"{store.url}/{manifest.folder}/{manifest.file('adapter').file}"
        ui.markdown("checkpoint", f"Branch weights: `{weights}`", "The trained weights")


TRAIN = Train()


def named_clip(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields with a CLIP in place of its name: `package:NAME`, a local folder, or open_clip's `model:tag`."""
    name = fields.get("clip")
    return {**fields, "clip": _clip_called(name).model_dump()} if isinstance(name, str) else fields


def _clip_called(name: str) -> ClipSpec:
    if name.startswith("package:"):
        return ClipSpec.packaged(name.removeprefix("package:"))
    if Path(name).is_dir():
        return ClipSpec.from_folder(Path(name))
    model, found, tag = name.partition(":")
    if not found or not tag:
        raise BadInput(f"clip {name!r}: write model:tag, such as ViT-B-32:laion2b_s34b_b79k, or name a folder")
    from opendlign_core.clip import tagged_spec

    return tagged_spec(model, tag)


def _verified(job: Job[TrainRecipe, TrainExecution]) -> TrainRecipe:
    """The recipe with the digest that the planned weights had: loading refuses weights that changed since."""
    planned = job.output.identity.recipe["clip"]["weights_sha256"]
    return job.recipe.model_copy(update={"clip": job.recipe.clip.model_copy(update={"weights_sha256": planned})})


def _checkpoints(job: Job[TrainRecipe, TrainExecution]) -> StoredCheckpoints:
    return StoredCheckpoints.of(job.output, job.execution.keep_checkpoints)


def _validation(job: Job[TrainRecipe, TrainExecution], model: "DepthAlignedCLIP") -> "Validation | None":
    """Held-out objects with their classes as text, where the data has a validation split."""
    from opendlign_core.training.depth_branch.validation import Validation

    recipe = job.recipe
    if not recipe.validate_every or (source := training_source(job, VALIDATION_SPLIT)) is None:
        return None
    import numpy as np

    held_out = job.optional(TOKENS.name, VALIDATION_SPLIT) or job.manifest("aligned")
    with SampleReader(job.store, held_out) as reader:
        metas = (read_meta(sample.key, sample.fields, Meta) for sample in reader)
        labels = [meta.label for meta in metas if meta.split == VALIDATION_SPLIT]
    names = tuple(sorted({label for label in labels if label}))
    if not names:
        return Validation(source)
    indices = np.array([names.index(label) if label else -1 for label in labels])
    return Validation(source, indices, _class_embeddings(model, recipe, names))


def _class_embeddings(model: "DepthAlignedCLIP", recipe: TrainRecipe, names: tuple[str, ...]) -> Any:
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.evaluation.model import text_classifier

    return text_classifier(EvaluatedModel.aligned(model, recipe.clip, "text"), names, "depth")


def load_trained(store: Store, manifest: Manifest, device: str) -> "EvaluatedModel":
    """The model of a train output, ready to encode depth maps, images and texts."""
    from opendlign_core.evaluation import EvaluatedModel

    recipe = TrainRecipe.model_validate(manifest.recipe)
    with Fetcher(store) as fetcher:
        aligned = load_branch(fetcher, manifest, device)
    return EvaluatedModel.aligned(aligned, recipe.clip, manifest.fingerprint, manifest.content_digest)


def load_branch(fetcher: Fetcher, manifest: Manifest, device: str) -> "DepthAlignedCLIP":
    """The CLIP and depth branch of a train output; imported outputs bring their own CLIP weights."""
    from opendlign_core.clip import choose_device
    from opendlign_core.training import load_aligned

    files = {
        stored.name: fetcher.path(manifest, stored) for stored in manifest.files if stored.name in ("adapter", "clip")
    }
    return load_aligned(files["adapter"], choose_device(device), files.get("clip"))
