"""What an evaluation is: data sets x tasks x methods, and every choice that changes a number.

Torch-free. Label and template lists are part of a recipe's identity, whether written out or kept in a file.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from opendlign_core.evaluation.given import FileDigest, Labels, ProjectionName, Text
from opendlign_core.projection.recipe import resolve_recipe
from opendlign_core.recipe import Execution, FrozenMapping, Recipe

STAGE_VERSION = 3

Task = Literal["zero-shot", "few-shot", "retrieval", "views"]
Branch = Literal["base", "depth"]
Branches = Literal["split", "base", "depth", "both"]
Aggregation = Literal["reference", "paper", "pointclip-v2"]
PixelNorm = Literal["model", "imagenet", "clip", "none"]

VIEWS = 10


def views_of(projection: str) -> int:
    """How many depth maps a named projection draws."""
    return len(resolve_recipe(projection).views)


class DatasetSpec(Recipe):
    """One labelled data set: which samples of the store belong to it and the classes they are judged against."""

    name: str = Field(min_length=1, description="its name in the results")
    sources: tuple[str, ...] = ()
    """Keep samples whose `source` is one of these; empty keeps all."""
    split: str | None = "test"
    """Keep samples of this split for testing; None keeps all."""
    train_split: str | None = "train"
    """Where few-shot examples and the honest prompt search come from; None when the data set has no such split."""
    labels: Labels = "from-data"
    """A packaged list (`modelnet40`, `scanobjectnn`, `omniobject3d`, `objaverse-lvis`), the names themselves,
    `{file: PATH}` of names, or `from-data`: the sorted labels that occur."""
    aliases: FrozenMapping[str] = FrozenMapping({})
    """Label as written in the data -> class it counts as. Labels that lead to no class are left out and counted."""
    sentences_sha256: FileDigest | None = None
    """Digest of the sentence library of its classes (JSON, class -> sentences), for methods that search, or the
    library itself as `{file: PATH}`; where it lies is run-time knowledge (`EvalExecution.libraries`).
    None searches view weights only."""


class MethodSpec(Recipe):
    """One row of the results table: a projection, a text ensemble, the branches that see the views, a sum."""

    name: str = Field(min_length=1, description="its name in the results")
    projection: ProjectionName = Field(default="opendlign", description="named projection that draws the views")
    text: Text = "depth"
    """A named text ensemble, templates with one or more `{}`, or `{file: PATH}` of such templates."""
    branches: Branches = "split"
    """`split`: the first half of the views through the frozen branch, the rest through the tuned one.
    `both`: every view through both branches, features averaged after normalisation."""
    aggregation: Aggregation = "reference"
    """How the cosines of the views become one score. `reference`: softmax over the classes, summed over the views;
    `paper`: the cosines summed; `pointclip-v2`: a weighted sum."""
    pixels: PixelNorm = "model"
    """Whose mean and deviation normalise the pixels: those the model was trained with, or fixed ones."""
    view_weights: tuple[float, ...] | None = None
    """Only for `pointclip-v2`: one weight per view; None weighs all alike."""
    search: Literal["off", "train-split", "test-labels"] = "off"
    """Only for `pointclip-v2`: where sentences and view weights are searched. `test-labels` repeats the reference,
    whose search sees the answers; every result it touches is marked."""

    @model_validator(mode="after")
    def _search_needs_head(self) -> "MethodSpec":
        if self.aggregation != "pointclip-v2" and (self.view_weights is not None or self.search != "off"):
            raise ValueError(f"method {self.name!r}: view_weights and search belong to aggregation 'pointclip-v2'")
        if self.view_weights is not None and len(self.view_weights) != self.views:
            raise ValueError(f"method {self.name!r}: {len(self.view_weights)} view weights, expected {self.views}")
        return self

    @property
    def views(self) -> int:
        """How many views its projection draws."""
        return views_of(self.projection)

    @property
    def sees_test_labels(self) -> bool:
        """Whether its sentences and weights are chosen on the labels it is then judged by."""
        return self.search == "test-labels"


METHODS: dict[str, MethodSpec] = {
    spec.name: spec
    for spec in (
        MethodSpec(name="opendlign"),
        MethodSpec(name="training-free", branches="base"),
        MethodSpec(name="contour-only", branches="base", text="imagenet"),
        MethodSpec(name="aligned-only", branches="depth", text="imagenet"),
        MethodSpec(name="aligned-texts", branches="depth"),
        MethodSpec(name="aligned-split", text="imagenet"),
        MethodSpec(name="clip-pointclip", projection="pointclip", branches="base", text="imagenet", pixels="clip"),
        MethodSpec(
            name="pointclip-v2",
            projection="pointclip-v2",
            branches="base",
            text="sentence",
            aggregation="pointclip-v2",
            pixels="none",
        ),
    )
}
"""Ready rows. `training-free` to `aligned-split` are rows of the paper's ablation: contour projection (C),
alignment (A), depth texts (D), logits of both branches (L)."""


def _named_method(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in METHODS:
        raise ValueError(f"unknown method {value!r}; known: {', '.join(METHODS)}")
    return METHODS[value]


Method = Annotated[MethodSpec, BeforeValidator(_named_method)]


class FewShotSpec(Recipe):
    """Logistic regression on the features of `shots` examples per class, all their views sharing one classifier."""

    shots: tuple[int, ...] = Field(default=(1, 2, 4, 8, 16), description="numbers of examples per class")
    seeds: tuple[int, ...] = Field(default=tuple(range(10)), description="one draw of the examples for each")
    inverse_regularisation: float = Field(default=1.0, gt=0, description="scikit-learn's C: more fits more closely")
    feature_scale: float = Field(default=10.0, gt=0)
    """Unit features are multiplied by this before fitting: at length 1 the default penalty outweighs the fit."""
    iterations: int = Field(default=300, ge=1, description="of the solver, at most")


class SearchSpec(Recipe):
    """Prompt and view-weight search of PointCLIP V2."""

    sweeps: int = Field(default=2, ge=1, description="times that the sentences of all classes are gone through")
    levels: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Weights that a view may take; every combination over the views that are not fixed is tried."""
    fixed_views: int = Field(default=3, ge=0, le=VIEWS, description="first views, whose weight is not searched")
    fixed_weight: float = Field(default=0.75, description="weight of the fixed views")
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the train split held out: what the search found is kept only if it does better there."""
    seed: int = Field(default=0, description="of the part that is held out")


class RetrievalSpec(Recipe):
    """Queries against a labelled gallery; an object is relevant when it has the query's class."""

    ranks: tuple[int, ...] = Field(default=(1, 5, 10), description="recall is measured among so many first hits")
    queries: tuple[Literal["text", "image", "shape", "text+image"], ...] = ("text", "image", "shape", "text+image")
    """What is searched with: class names, painted images, other objects, or names and images together."""


class BootstrapSpec(Recipe):
    """Percentile intervals over resampled objects."""

    samples: int = Field(default=1000, ge=0, description="resamplings; 0 for no intervals")
    level: float = Field(default=0.95, gt=0, lt=1, description="share of the resamplings inside an interval")
    seed: int = Field(default=0, description="of the resampling")


class EvalRecipe(Recipe):
    """The whole benchmark. Methods may be given by name (`METHODS`) or spelled out."""

    datasets: tuple[DatasetSpec, ...] = Field(min_length=1, description="what the model is judged on")
    tasks: tuple[Task, ...] = Field(default=("zero-shot",), description="what it is asked to do on each of them")
    methods: tuple[Method, ...] = Field(default=(METHODS["opendlign"],), min_length=1)
    """The ways of judging that are compared, one row of results each."""
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="of the image encoder")
    few_shot: FewShotSpec = FewShotSpec()
    search: SearchSpec = SearchSpec()
    retrieval: RetrievalSpec = RetrievalSpec()
    bootstrap: BootstrapSpec = BootstrapSpec()
    view_counts: tuple[int, ...] = tuple(range(1, VIEWS + 1))
    """Numbers of views that the `views` task judges with; those above what a projection draws are left out."""
    examples: int = Field(default=6, ge=0)
    """Best and worst examples kept per data set for the report."""

    @property
    def primary(self) -> MethodSpec:
        """The method the evaluation is about: the first that uses the tuned branch; the others are its baselines.

        Classes, examples and retrieval are shown for it.
        """
        return next((method for method in self.methods if method.branches != "base"), self.methods[0])

    @property
    def asks_with_images(self) -> bool:
        """Whether painted images are encoded as well, to serve as queries."""
        return "retrieval" in self.tasks and bool({"image", "text+image"} & set(self.retrieval.queries))

    def splits_read(self, dataset: DatasetSpec, method: MethodSpec) -> tuple[str | None, ...]:
        """The splits of a data set that a method is judged on and, where it learns, learns from."""
        learns = "few-shot" in self.tasks or method.search == "train-split"
        return (dataset.split, dataset.train_split) if learns else (dataset.split,)

    @model_validator(mode="after")
    def _training_data_where_needed(self) -> "EvalRecipe":
        if "few-shot" in self.tasks or any(method.search == "train-split" for method in self.methods):
            for dataset in self.datasets:
                if dataset.train_split is None:
                    raise ValueError(f"{dataset.name}: few-shot and the train-split search need a train_split")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> "EvalRecipe":
        for what, names in (("dataset", [d.name for d in self.datasets]), ("method", [m.name for m in self.methods])):
            if len(set(names)) != len(names):
                raise ValueError(f"two {what}s share a name: {', '.join(sorted(names))}")
        return self


class EvalExecution(Execution):
    """How an evaluation runs."""

    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    image_batch: int = Field(default=160, ge=1)
    """Images (objects x views) in one forward pass."""
    text_batch: int = Field(default=256, ge=1, description="sentences in one forward pass")
    allowed_drop: float = Field(default=0.02, ge=0, le=1)
    """How far a result may fall below the best accepted one of its name before the run fails, as a fraction."""
    libraries: tuple[str, ...] = ()
    """Sentence-library files, found by the digest in the recipe."""
    hourly_cost: FrozenMapping[float] = FrozenMapping({})
    """Stage -> what an hour of its machine costs; the report then says what each stage came to."""
    currency: str = Field(default="", description="what the report writes after a cost")
