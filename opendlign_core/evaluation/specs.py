"""The parts of an evaluation recipe: data sets, methods, and what the first benchmarks can be told.

Torch-free. Label and template lists are part of a recipe's identity, whether written out or kept in a file.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.given import FileDigest, Labels, Text
from opendlign_core.evaluation.templates import TextName
from opendlign_core.recipe import FrozenMapping, Recipe

Branch = Literal["base", "depth"]
Branches = Literal["split", "base", "depth", "both"]
Aggregation = Literal["reference", "paper", "pointclip-v2"]
PixelNorm = Literal["model", "imagenet", "clip", "none"]


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
    texts: FrozenMapping[TextName] = Field(default=FrozenMapping({}), json_schema_extra={"added": True})
    """Text ensemble that a method names -> the ensemble that takes its place on this data set: ScanObjectNN was
    published with `{depth: depth-scanobjectnn}`."""

    @field_validator("texts")
    @classmethod
    def _known_ensembles(cls, texts: FrozenMapping[TextName]) -> FrozenMapping[TextName]:
        for name in texts:
            if name not in get_args(TextName):
                raise BadInput(f"no text ensemble is called {name!r}; known: {', '.join(get_args(TextName))}")
        return texts


class MethodSpec(Recipe):
    """One row of the results table: a projection, a text ensemble, the branches that see the views, a sum."""

    name: str = Field(min_length=1, description="its name in the results")
    projection: str = Field(default="opendlign", description="name of the projection whose depth maps it judges")
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
            raise BadInput(f"method {self.name!r}: view_weights and search belong to aggregation 'pointclip-v2'")
        return self

    def on(self, dataset: DatasetSpec) -> "MethodSpec":
        """This method with the texts that the data set asks for."""
        if isinstance(self.text, tuple) or self.text not in dataset.texts:
            return self
        return self.model_copy(update={"text": dataset.texts[self.text]})

    @property
    def features(self) -> tuple[str, str, str]:
        """What its features depend on: methods that agree in it differ in words and sums alone."""
        return self.projection, self.pixels, self.branches

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
        MethodSpec(name="parts", branches="base"),
        MethodSpec(name="aligned-parts", branches="depth"),
        MethodSpec(name="clip-pointclip", projection="pointclip", branches="base", text="imagenet", pixels="clip"),
        MethodSpec(
            name="pointclip-v2",
            projection="pointclip-v2",
            branches="base",
            text="sentence",
            aggregation="pointclip-v2",
            pixels="none",
        ),
        MethodSpec(
            name="pointclip-v2-parts",
            projection="pointclip-v2-seg",
            branches="base",
            text="sentence",
            aggregation="pointclip-v2",
            pixels="none",
        ),
    )
}
"""Ready rows. `training-free` to `aligned-split` are rows of the paper's ablation: contour projection (C),
alignment (A), depth texts (D), logits of both branches (L). Those called parts are for the benchmark
`segmentation`."""


def _named_method(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in METHODS:
        raise BadInput(f"unknown method {value!r}; known: {', '.join(METHODS)}")
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
    fixed_views: int = Field(default=3, ge=0, description="first views, whose weight is not searched")
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
