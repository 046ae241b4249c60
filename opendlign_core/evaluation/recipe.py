"""What an evaluation is: data sets x benchmarks x methods, and every choice that changes a number. Torch-free."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.benchmark import Benchmark, Reads
from opendlign_core.evaluation.benchmarks import benchmark_names, chosen_benchmarks, find_benchmark
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
from opendlign_core.recipe import Execution, FrozenMapping, Recipe

STAGE_VERSION = 3


def _registered(name: str) -> str:
    return find_benchmark(name).name


Task = Annotated[str, AfterValidator(_registered), WithJsonSchema({"type": "string", "enum": [*benchmark_names()]})]


class EvalRecipe(Recipe):
    """The whole evaluation. Methods may be given by name (`METHODS`) or spelled out."""

    datasets: tuple[DatasetSpec, ...] = Field(min_length=1, description="what the model is judged on")
    tasks: tuple[Task, ...] = Field(default=("zero-shot",), description="the benchmarks, run on each of them")
    methods: tuple[Method, ...] = Field(default=(METHODS["opendlign"],), min_length=1)
    """The ways of judging that are compared, one row of results each."""
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
    def benchmarks(self) -> tuple[Benchmark[Any], ...]:
        """The benchmarks that `tasks` names."""
        return chosen_benchmarks(self.tasks)

    def options_of(self, benchmark: Benchmark[Any]) -> Any:
        """A benchmark's options as its own type, defaults where the recipe says nothing."""
        if benchmark.options is None:
            raise TypeError(f"the benchmark {benchmark.name!r} declares no options")
        return benchmark.options.model_validate(self.options.get(benchmark.name, {}))

    @property
    def judged(self) -> tuple[MethodSpec, ...]:
        """The methods that some benchmark has a question for."""
        return tuple(method for method in self.methods if any(b.judges(self, method) for b in self.benchmarks))

    def is_first_of_its_features(self, method: MethodSpec) -> bool:
        """Whether no method before it sees the same views through the same branches."""
        return next(other for other in self.methods if other.features == method.features) == method

    @property
    def reads(self) -> Reads:
        """What the benchmarks read between them."""
        reads = [benchmark.reads(self) for benchmark in self.benchmarks]
        return Reads(
            depth=any(read.depth for read in reads),
            train=any(read.train for read in reads),
            painted=any(read.painted for read in reads),
        )

    def projections(self) -> tuple[str, ...]:
        """Names of the projections whose depth maps are read, each of all `sources`."""
        return tuple(dict.fromkeys(method.projection for method in self.judged)) if self.reads.depth else ()

    def sources(self) -> frozenset[str]:
        """Names of the sources that the data sets take objects of; none stands for every source."""
        if any(not dataset.sources for dataset in self.datasets):
            return frozenset()
        return frozenset(name for dataset in self.datasets for name in dataset.sources)

    def splits_read(self, dataset: DatasetSpec, method: MethodSpec) -> tuple[str | None, ...]:
        """The splits of a data set that a method is judged on and, where it learns, learns from."""
        learns = self.reads.train or method.search == "train-split"
        return (dataset.split, dataset.train_split) if learns else (dataset.split,)

    def require_views(self, views: Mapping[str, int]) -> None:
        """Refuse methods without depth maps, or with weights that are not as many as the depth maps of an object.

        Args:
            views: name of a projection -> how many depth maps it draws of an object.

        Raises:
            BadInput: names the method and says what would help.
        """
        for method in self.judged:
            if method.projection not in views:
                known = ", ".join(views) or "none"
                raise BadInput(
                    f"method {method.name!r} judges depth maps of the projection {method.projection!r}, but there are "
                    f"none of it among these: {known}"
                )
            count = views[method.projection]
            drawn = f"its projection {method.projection!r} draws {count} views"
            if method.view_weights is not None and len(method.view_weights) != count:
                given = len(method.view_weights)
                raise BadInput(f"method {method.name!r}: {given} view weights, but {drawn}; give one for each")
            if method.search != "off" and count < (fixed := self.search.fixed_views):
                raise BadInput(f"method {method.name!r}: {fixed} fixed views, but {drawn}; lower search.fixed_views")

    @model_validator(mode="after")
    def _training_data_where_needed(self) -> "EvalRecipe":
        if self.reads.train or any(method.search == "train-split" for method in self.methods):
            for dataset in self.datasets:
                if dataset.train_split is None:
                    raise BadInput(f"{dataset.name}: few-shot and the train-split search need a train_split")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> "EvalRecipe":
        for what, names in (("dataset", [d.name for d in self.datasets]), ("method", [m.name for m in self.methods])):
            if len(set(names)) != len(names):
                raise BadInput(f"two {what}s share a name: {', '.join(sorted(names))}")
        return self

    @field_validator("options")
    @classmethod
    def _known_options(cls, given: FrozenMapping[Any]) -> FrozenMapping[Any]:
        """Spelled out with their defaults, so that one meaning has one identity."""
        return FrozenMapping({name: _spelled_out(name, options) for name, options in given.items()})


def _spelled_out(name: str, options: Any) -> dict[str, Any]:
    benchmark = find_benchmark(name)
    if benchmark.options is None:
        raise BadInput(f"the benchmark {name!r} has no options here; its settings are fields of the recipe itself")
    return benchmark.options.model_validate(options).model_dump(mode="json")


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
