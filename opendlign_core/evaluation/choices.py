"""Every choice that changes a number of an evaluation: what benchmarks, and all below them, read of a recipe."""

from typing import Any, Literal

from pydantic import Field, model_validator

from opendlign_core.clip import ClipSpec
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.specs import (
    METHODS,
    BootstrapSpec,
    DatasetSpec,
    FewShotSpec,
    Method,
    MethodSpec,
    RetrievalSpec,
    SearchSpec,
)
from opendlign_core.recipe import FrozenMapping, Recipe


class EvalChoices(Recipe):
    """Data sets, methods and settings. `EvalRecipe` is the same, held against the benchmarks that there are."""

    datasets: tuple[DatasetSpec, ...] = Field(min_length=1, description="what the model is judged on")
    tasks: tuple[str, ...] = Field(default=("zero-shot",), description="the benchmarks, run on each of them")
    methods: tuple[Method, ...] = Field(default=(METHODS["opendlign"],), min_length=1)
    """The ways of judging that are compared, one row of results each."""
    clip: ClipSpec | None = Field(default=None, json_schema_extra={"added": True})
    """A frozen CLIP that is judged as it is, where there is no trained model."""
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="of the image encoder")
    few_shot: FewShotSpec = FewShotSpec()
    search: SearchSpec = SearchSpec()
    retrieval: RetrievalSpec = RetrievalSpec()
    bootstrap: BootstrapSpec = BootstrapSpec()
    view_counts: tuple[int, ...] = tuple(range(1, 11))
    """Numbers of views that the `views` benchmark judges with; those above what a projection draws are left out."""
    examples: int = Field(default=6, ge=0)
    """Best and worst examples kept per data set for the report."""
    options: FrozenMapping[Any] = Field(default=FrozenMapping({}), json_schema_extra={"added": True})
    """Name of a benchmark -> what it is told. Those with a field of their own above have no entry here."""

    @property
    def primary(self) -> MethodSpec:
        """The method the evaluation is about: the first that uses the tuned branch; the others are its baselines.

        Classes, examples and retrieval are shown for it.
        """
        return next((method for method in self.methods if method.branches != "base"), self.methods[0])

    @property
    def frozen(self) -> MethodSpec | None:
        """What the primary method is held against: the first that sees the same depth maps frozen."""
        if self.primary.branches == "base":
            return None
        same = (method for method in self.methods if method.projection == self.primary.projection)
        return next((method for method in same if method.branches == "base"), None)

    def is_first_of_its_features(self, method: MethodSpec) -> bool:
        """Whether no method before it sees the same views through the same branches."""
        return next(other for other in self.methods if other.features == method.features) == method

    def sources(self) -> frozenset[str]:
        """Names of the sources that the data sets take objects of; none stands for every source."""
        if any(not dataset.sources for dataset in self.datasets):
            return frozenset()
        return frozenset(name for dataset in self.datasets for name in dataset.sources)

    @model_validator(mode="after")
    def _names_differ(self) -> "EvalChoices":
        for what, names in (("dataset", [d.name for d in self.datasets]), ("method", [m.name for m in self.methods])):
            if len(set(names)) != len(names):
                raise BadInput(f"two {what}s share a name: {', '.join(sorted(names))}")
        return self
