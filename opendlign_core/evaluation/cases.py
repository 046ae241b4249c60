"""The cases of an evaluation: one method on one data set, with everything a benchmark may read, loaded when asked for.

Methods that see the same pixels of a data set share their features; these are held for one data set and one kind of
pixels at a time.
"""

from dataclasses import dataclass
from functools import cached_property

from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.classification.head import Head, HeadSearch
from opendlign_core.evaluation.classification.labelled import LabelledFeatures, with_labels
from opendlign_core.evaluation.execution import EvalExecution
from opendlign_core.evaluation.features import FeaturePlan, plan_for
from opendlign_core.evaluation.lab import Lab
from opendlign_core.evaluation.specs import DatasetSpec, MethodSpec


@dataclass(frozen=True)
class SharedFeatures:
    """Labelled features of one data set for the methods that see the same pixels of it."""

    lab: Lab
    dataset: DatasetSpec
    methods: tuple[MethodSpec, ...]
    painted: bool
    """Whether the painted images are wanted as well."""

    @cached_property
    def views(self) -> int:
        """How many depth maps an object has."""
        return self.lab.source.views()[self.methods[0].projection]

    @cached_property
    def test(self) -> LabelledFeatures:
        return self._labelled(self.dataset.split, self.painted)

    @cached_property
    def train(self) -> LabelledFeatures:
        """Of the train split, among the classes of the test split."""
        return self._labelled(self.dataset.train_split, False, self.test.classes)

    def _labelled(self, split: str | None, painted: bool, classes: tuple[str, ...] | None = None) -> LabelledFeatures:
        first, plan = self.methods[0], FeaturePlan((), ())
        for method in self.methods:
            plan = plan.union(plan_for(method, self.views))
        found = self.lab.features(self.dataset, split, first.projection, first.pixels, plan, painted)
        return with_labels(found, self.dataset, classes)


@dataclass(frozen=True)
class Case:
    """One method on one data set. Nothing is read before it is asked for."""

    shared: SharedFeatures
    method: MethodSpec

    @property
    def lab(self) -> Lab:
        """The model and the source, for benchmarks that read something else than features of depth maps."""
        return self.shared.lab

    @property
    def dataset(self) -> DatasetSpec:
        return self.shared.dataset

    @property
    def recipe(self) -> EvalChoices:
        return self.lab.recipe

    @property
    def execution(self) -> EvalExecution:
        return self.lab.execution

    @property
    def views(self) -> int:
        """How many depth maps an object has under the method's projection."""
        return self.shared.views

    @property
    def test(self) -> LabelledFeatures:
        """Features of the objects that are judged."""
        return self.shared.test

    @property
    def train(self) -> LabelledFeatures:
        """Features of the objects that may be learnt from."""
        return self.shared.train

    @cached_property
    def head(self) -> Head:
        """Class texts and view weights: the method's own, or what its search found."""
        text = self.lab.text(self.test.classes, self.method.on(self.dataset))
        if self.method.search == "off":
            return Head(self.method, text)
        known = self.train if self.method.search == "train-split" else self.test
        with self.lab.timed("search"):
            search = HeadSearch(self.lab.model, self.recipe.search, self.execution, self.dataset.sentences_sha256)
            return search.run(self.method, known, text)

    @property
    def is_primary(self) -> bool:
        """Whether the evaluation is about this method."""
        return self.method == self.recipe.primary
