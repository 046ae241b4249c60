"""One method on the scenes of one data set: the boxes of every proposer named, selected, counted and pictured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.cases import Case
from opendlign_core.evaluation.detection.breakdown import right_things
from opendlign_core.evaluation.detection.choices import DetectionOptions, SelectionSpec
from opendlign_core.evaluation.detection.counting import OVERLAPS, DetectionResult, Draw, ShownScene, counted
from opendlign_core.evaluation.detection.detections import Detections, Objects
from opendlign_core.evaluation.detection.metrics import Scene
from opendlign_core.evaluation.detection.namers import ClassHead, MethodNamer, Namer, places_of
from opendlign_core.evaluation.detection.pictures import shown_scene
from opendlign_core.evaluation.detection.selection import select
from opendlign_core.evaluation.features import ProposedScene
from opendlign_core.evaluation.findings import Findings, MeasuredObjects
from opendlign_core.evaluation.lab import ProposedSource
from opendlign_core.evaluation.labels import LabelIndex, fold, resolve_labels
from opendlign_core.evaluation.specs import MethodSpec

GROUND_TRUTH = "ground-truth"
"""The proposer that says where everything stands."""
CLASS_HEAD = "class head of the proposer"


@dataclass(frozen=True)
class Session:
    """Judges the boxes of every proposer; the first is the one that counts."""

    case: Case
    options: DetectionOptions

    def run(self) -> Findings[DetectionResult]:
        """Raises `BadInput` where no scene has proposals, or no thing's name leads to a class."""
        rows, measured = list[DetectionResult](), list[MeasuredObjects]()
        for kind in self.sources:
            for method, draws in self.draws(kind):
                row = self._row(method, kind, draws)
                pictured = self.case.is_primary and not rows
                rows.append(row.model_copy(update={"shown": tuple(self._shown(draws[0]))}) if pictured else row)
                measured.append(self._measured(rows[-1], draws[0]))
        return Findings(tuple(rows), objects=tuple(measured))

    @cached_property
    def sources(self) -> Mapping[str, Sequence[ProposedSource]]:
        found = self.case.lab.source.proposed()
        if not found:
            raise BadInput(f"{self.case.dataset.name}: nothing proposes boxes in its scenes; add a node of propose")
        # What was found counts first; true boxes tell what it could come to.
        return dict(sorted(found.items(), key=lambda kind: kind[0] == GROUND_TRUTH))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Those of the data set, in the order of their numbers."""
        dataset = self.case.dataset
        if dataset.labels != "from-data":
            return resolve_labels(dataset.labels, ())
        aliases = {fold(written): name for written, name in dataset.aliases.items()}
        things = [thing for scene in self._scenes(self._first) for thing in scene.things]
        return resolve_labels("from-data", [aliases.get(fold(thing), thing) for thing in things])

    @cached_property
    def index(self) -> LabelIndex:
        return LabelIndex(self.classes, self.case.dataset.aliases)

    @property
    def _first(self) -> ProposedSource:
        return next(iter(self.sources.values()))[0]

    def _scenes(self, source: ProposedSource) -> Iterator[ProposedScene]:
        yield from source.scenes(self.case.dataset, self.case.dataset.split)

    def draws(self, kind: str) -> Iterator[tuple[str, list[Draw]]]:
        """Who names the boxes of a proposer, and what comes of it in each of its draws."""
        method, sources = self.case.method, self.sources[kind]
        yield method.name, [self._draw(kind, source, self._namer(source, method)) for source in sources]
        if self.case.is_primary and all(self._has_classes(source) for source in sources):
            head = ClassHead(self.index, len(self.classes))
            yield CLASS_HEAD, [self._draw(kind, source, head) for source in sources]

    def _namer(self, source: ProposedSource, method: MethodSpec) -> MethodNamer:
        return MethodNamer.of(self.case, source, method, self.classes, self.options.naming)

    def _has_classes(self, source: ProposedSource) -> bool:
        first = next(self._scenes(source), None)
        return first is not None and first.probabilities is not None and bool(first.classes)

    def _draw(self, kind: str, source: ProposedSource, namer: Namer) -> Draw:
        names, scenes, single = list[str](), list[Scene](), list[Detections]()
        selection = self._selection(kind)
        proposals = left_out = 0
        best = selection if selection.rule != "every-class" else selection.model_copy(update={"rule": "best-product"})
        for scene in self._scenes(source):
            classified = namer.classified(scene)
            names.append(scene.scene_id)
            scenes.append((select(classified, scene.points, selection), self.objects(scene)))
            single.append(select(classified, scene.points, best))
            proposals += len(classified.boxes)
            left_out += len(scene.things) - len(scenes[-1][1].classes)
        if not sum(len(there.classes) for _, there in scenes):
            name, count = self.case.dataset.name, len(self.classes)
            raise BadInput(f"{name}: no thing in its {len(scenes)} scenes has one of the {count} classes as its name")
        return Draw(tuple(names), tuple(scenes), tuple(single), proposals, left_out)

    def _selection(self, kind: str) -> SelectionSpec:
        chosen, everything = self.options.selection, {"suppression": "none", "least_points": 0, "objectness": 0.0}
        return chosen.model_copy(update=everything) if kind == GROUND_TRUTH else chosen

    def objects(self, scene: ProposedScene) -> Objects:
        """The things whose names lead to a class."""
        classes = places_of(scene.things, self.index)
        return Objects(scene.truth[classes >= 0], classes[classes >= 0])

    def _row(self, method: str, kind: str, draws: Sequence[Draw]) -> DetectionResult:
        numbers = counted(draws, self.classes, self._printed, self.case.recipe.bootstrap, self._frozen(method, kind))
        return DetectionResult(dataset=self.case.dataset.name, method=method, boxes=kind, **numbers)

    @property
    def _printed(self) -> list[int]:
        places = [(name, self.index.find(name)) for name in self.options.printed]
        if unknown := [name for name, place in places if place is None]:
            raise BadInput(f"options.detection.printed: {unknown[0]!r} is no class of {self.case.dataset.name}")
        return [place for _, place in places if place is not None]

    def _frozen(self, method: str, kind: str) -> list[Draw]:
        """What the primary method is held against: the frozen branch in the same boxes."""
        frozen = self.case.recipe.frozen
        if not self.case.is_primary or frozen is None or method != self.case.method.name:
            return []
        return [self._draw(kind, source, self._namer(source, frozen)) for source in self.sources[kind]]

    def _measured(self, row: DetectionResult, draw: Draw) -> MeasuredObjects:
        """Of every thing, whether it was found and named right."""
        overlap = OVERLAPS[0] / 100
        right = [right_things(found, there, overlap) for found, there in draw.one_name_each]
        return MeasuredObjects(
            dataset=row.dataset,
            method=row.named,
            object_ids=tuple(
                f"{name}/{number}" for name, one in zip(draw.names, right, strict=True) for number in range(len(one))
            ),
            labels=tuple(self.classes[number] for there in draw.truths for number in there.classes),
            values=np.concatenate(right).astype(np.float64),
        )

    def _shown(self, draw: Draw) -> Iterator[ShownScene]:
        """The scenes in which the most, the typical and the smallest share of things was found."""
        wanted = self._extremes(draw)
        for place, scene in enumerate(self._scenes(self._first)):
            if place in wanted:
                yield shown_scene(scene, draw.single[place], draw.truths[place], self.classes, self.options.drawn)

    def _extremes(self, draw: Draw) -> set[int]:
        overlap = OVERLAPS[0] / 100
        shares = [
            right_things(*scene, overlap).mean() if len(scene[1].classes) else 0.0 for scene in draw.one_name_each
        ]
        ranked = np.argsort(shares, kind="stable")
        count = min(self.options.shown, len(ranked))
        return {int(ranked[place]) for place in np.linspace(0, len(ranked) - 1, count).round().astype(int)}
