"""What an evaluation is: data sets x benchmarks x methods, and every choice that changes a number. Torch-free."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.benchmark import Benchmark, Reads
from opendlign_core.evaluation.benchmarks import benchmark_names, chosen_benchmarks, find_benchmark
from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.specs import DatasetSpec, MethodSpec
from opendlign_core.recipe import FrozenMapping

STAGE_VERSION = 3


def _registered(name: str) -> str:
    return find_benchmark(name).name


Task = Annotated[str, AfterValidator(_registered), WithJsonSchema({"type": "string", "enum": [*benchmark_names()]})]


class EvalRecipe(EvalChoices):
    """The whole evaluation. Methods may be given by name (`METHODS`) or spelled out."""

    tasks: tuple[Task, ...] = Field(default=("zero-shot",), description="the benchmarks, run on each of them")

    @property
    def benchmarks(self) -> tuple[Benchmark[Any], ...]:
        """The benchmarks that `tasks` names."""
        return chosen_benchmarks(self.tasks)

    @property
    def judged(self) -> tuple[MethodSpec, ...]:
        """The methods that some benchmark has a question for."""
        return tuple(method for method in self.methods if any(b.judges(self, method) for b in self.benchmarks))

    @property
    def reads(self) -> Reads:
        """What the benchmarks read between them."""
        reads = [benchmark.reads(self) for benchmark in self.benchmarks]
        return Reads(
            depth=any(read.depth for read in reads),
            train=any(read.train for read in reads),
            painted=any(read.painted for read in reads),
            placed=any(read.placed for read in reads),
            photos=any(read.photos for read in reads),
            proposed=any(read.proposed for read in reads),
        )

    def projections(self) -> tuple[str, ...]:
        """Names of the projections whose depth maps are read, each of all `sources`."""
        return tuple(dict.fromkeys(method.projection for method in self.judged)) if self.reads.maps else ()

    def splits_read(self, dataset: DatasetSpec, method: MethodSpec) -> tuple[str | None, ...]:
        """The splits of a data set that a method is judged on and, where it learns, learns from."""
        learns = self.reads.train or self.reads.photos or method.search == "train-split"
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
        learns = self.reads.train or self.reads.photos or any(one.search == "train-split" for one in self.methods)
        if learns:
            for dataset in self.datasets:
                if dataset.train_split is None:
                    raise BadInput(
                        f"{dataset.name}: few-shot, probes of pose and the train-split search need a train_split"
                    )
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
