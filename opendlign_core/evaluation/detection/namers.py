"""What each box of a scene is called: by a method from the depth maps of what is in it, or by its proposer itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.cases import Case
from opendlign_core.evaluation.classification.scoring import view_features
from opendlign_core.evaluation.detection.choices import NamingSpec
from opendlign_core.evaluation.detection.detections import Classified
from opendlign_core.evaluation.detection.naming import Named, named
from opendlign_core.evaluation.features import FeaturePlan, ProposedScene, plan_for
from opendlign_core.evaluation.lab import ProposedSource
from opendlign_core.evaluation.labels import LabelIndex
from opendlign_core.evaluation.specs import MethodSpec


class Namer(Protocol):
    """Names the boxes of a scene among the classes of a data set."""

    def classified(self, scene: ProposedScene) -> Classified:
        """The boxes that it can name."""
        ...


@dataclass(frozen=True, eq=False)
class MethodNamer:
    """A method that has seen everything in the boxes of one draw."""

    rows: Mapping[str, int]
    """Id of an object -> its row in `said`."""
    said: Named
    spec: NamingSpec

    @classmethod
    def of(
        cls, case: Case, source: ProposedSource, method: MethodSpec, classes: tuple[str, ...], spec: NamingSpec
    ) -> "MethodNamer":
        """Encode, or remember, all that is in the boxes of a source, for all methods that see the same pixels."""
        lab, dataset, plan = case.lab, case.dataset, FeaturePlan((), ())
        for other in case.shared.methods:
            plan = plan.union(plan_for(other, source.views()[method.projection]))
        seen = lab.features(dataset, dataset.split, method.projection, method.pixels, plan, source=source)
        parts = [lab.text(words, method.on(dataset)) for words in (classes, spec.background) if words]
        cosines = view_features(seen, method) @ np.concatenate(parts).T
        rows = {name: row for row, name in enumerate(seen.object_ids)}
        return cls(rows, named(cosines, len(classes), spec, method), spec)

    def classified(self, scene: ProposedScene) -> Classified:
        kept = np.array([box for box, crop in enumerate(scene.crops) if crop in self.rows], np.int64)
        rows = np.array([self.rows[scene.crops[box]] for box in kept], np.int64)
        said = Named(self.said.probabilities[rows], self.said.foreground[rows])
        sure = said.objectness(np.asarray(scene.objectness, np.float64)[kept], self.spec)
        return Classified(scene.boxes[kept], said.probabilities, sure)


@dataclass(frozen=True, eq=False)
class ClassHead:
    """The proposer's own classes, which it was trained on: what supervision would give in the same boxes."""

    index: LabelIndex
    classes: int

    def classified(self, scene: ProposedScene) -> Classified:
        assert scene.probabilities is not None
        probabilities = np.zeros((len(scene.boxes), self.classes))
        for column, name in enumerate(scene.classes):
            place = self.index.find(name)
            if place is not None:
                probabilities[:, place] = scene.probabilities[:, column]
        return Classified(scene.boxes, probabilities, scene.objectness)


def places_of(things: tuple[str, ...], index: LabelIndex) -> NDArray[np.int64]:
    """The class of each thing; -1 where its name leads to none."""
    found = [index.find(thing) for thing in things]
    return np.array([-1 if place is None else place for place in found], np.int64)
