"""One method on one data set: shapes stream through every answer, one at a time; only their scores are kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.cases import Case
from opendlign_core.evaluation.estimates import estimate
from opendlign_core.evaluation.features import Floats, PlacedSample
from opendlign_core.evaluation.findings import Findings, MeasuredObjects
from opendlign_core.evaluation.lab import counted
from opendlign_core.evaluation.labels import LabelIndex, resolve_labels
from opendlign_core.evaluation.segmentation.asking import Question, Questioner
from opendlign_core.evaluation.segmentation.choices import AnswerSpec, SegmentationOptions
from opendlign_core.evaluation.segmentation.counting import (
    CONSTANT,
    RANDOM,
    Kind,
    SegmentationResult,
    ShapeScore,
    ShownShape,
    estimates,
    named_answer,
)
from opendlign_core.evaluation.segmentation.judging import Ids, answered, guessed, look, told_by_truth
from opendlign_core.evaluation.segmentation.pictures import side_by_side
from opendlign_core.evaluation.segmentation.search import PartSearch
from opendlign_core.evaluation.segmentation.seeing import Eye
from opendlign_core.evaluation.segmentation.teaching import Lesson, Teacher

PERFECT_WORDS, PERFECT_PATCHES, PERFECT_PIXELS = "perfect words", "perfect patches", "perfect pixels"
Place = Literal["best", "typical", "worst"]


@dataclass
class Session:
    """Judges the answers of a recipe."""

    case: Case
    options: SegmentationOptions
    left_out: int = 0
    _scores: dict[tuple[Kind, str], list[ShapeScore]] = field(default_factory=dict)
    _seen: dict[str, tuple[Floats, NDArray[np.int32], Ids]] = field(default_factory=dict)
    """What pictures are drawn of: points [N, 3], their parts and the first answer, 24 bytes a point at most."""

    @cached_property
    def eye(self) -> Eye:
        case = self.case
        return Eye(
            case.lab.model, case.method, self.options.cropped, case.recipe.precision, case.execution.image_batch
        )

    @cached_property
    def questions(self) -> Questioner:
        return Questioner(self.case.lab, self.case.dataset, self.case.method, self.options)

    @property
    def first(self) -> AnswerSpec:
        """The answer that the headline is about, and in whose tokens a search and perfect words are made."""
        return self.options.answers[0]

    def run(self) -> Findings[SegmentationResult]:
        """Search, learn, judge, and picture a few shapes.

        Raises:
            BadInput: the data set has no shapes, or shapes without parts, or words are missing.
        """
        search = self._search()
        lessons = self._lessons()
        self.left_out = 0
        for sample in self._samples(self.case.dataset.split):
            self._judge(sample, lessons)
        if not self._scores:
            raise BadInput(f"{self.case.dataset.name}: no shapes to judge; check its sources, split and labels")
        rows = [self._row(kind, answer, search) for kind, answer in self._scores]
        shown = self._shown()
        rows = [row.model_copy(update={"shown": shown}) if row.answer == self.first.name else row for row in rows]
        measured = tuple(self._measured(kind, answer) for kind, answer in self._scores)
        return Findings(tuple(rows), objects=measured, notes=tuple(self._notes()))

    def _samples(self, split: str | None) -> Iterator[PlacedSample]:
        """The shapes of a split that are among the data set's classes."""
        case, dataset = self.case, self.case.dataset
        classes = () if dataset.labels == "from-data" else resolve_labels(dataset.labels, ())
        index = LabelIndex(classes, dataset.aliases) if classes else None
        found = case.lab.source.placed(dataset, split, case.method.projection)
        for sample in counted(found, case.lab.advance):
            place = None if index is None else index.find(sample.label)
            if index is None:
                yield sample
            elif place is None:
                self.left_out += 1
            else:
                yield replace(sample, label=classes[place])

    def _search(self) -> dict[str, Any] | None:
        method, case = self.case.method, self.case
        if method.search == "off":
            return None
        honest = method.search == "train-split"
        search = PartSearch(self.eye, self.first, case.recipe.search, self.options.searched)
        with case.lab.timed("search"):
            samples = self._samples(case.dataset.train_split if honest else case.dataset.split)
            self.questions.searched, record = search.run(samples, self.questions, honest)
        return {"on": method.search, "categories": record}

    def _lessons(self) -> Mapping[str, Lesson]:
        if not self.options.bounds or self.case.dataset.train_split is None:
            return {}
        teacher = Teacher(self.eye, corrected(self.first))
        return teacher.learn(self._samples(self.case.dataset.train_split), self.questions)

    def _judge(self, sample: PlacedSample, lessons: Mapping[str, Lesson]) -> None:
        question = self.questions.of(sample)
        answers = self._answers(sample, question, lessons)
        if self.options.shown:
            self._seen[sample.object_id] = sample.points, sample.parts, answers["answer", self.first.name]
        for (kind, name), found in answers.items():
            score = ShapeScore.of(sample, found, question.parts)
            self._scores.setdefault((kind, name), []).append(score)

    def _answers(
        self, sample: PlacedSample, question: Question, lessons: Mapping[str, Lesson]
    ) -> dict[tuple[Kind, str], Ids]:
        plain = corrected(self.first)
        seen = look(self.eye, sample, (*self.options.answers, plain))
        found: dict[tuple[Kind, str], Ids] = {
            ("answer", answer.name): answered(self.eye, seen, question, answer) for answer in self.options.answers
        }
        if not self.options.bounds:
            return found
        found["baseline", RANDOM] = guessed(sample, question.parts)
        if lesson := lessons.get(question.category):
            found["baseline", CONSTANT] = np.full(len(sample.parts), lesson.constant)
            found["bound", PERFECT_WORDS] = answered(self.eye, seen, question.reworded(lesson.words, None), plain)
        grid = seen.tokens[self.first].shape[1]
        found["bound", PERFECT_PATCHES] = told_by_truth(self.eye, sample, question.parts, grid)
        found["bound", PERFECT_PIXELS] = told_by_truth(self.eye, sample, question.parts, self.eye.model.image_size)
        return found

    def _row(self, kind: Kind, answer: str, search: dict[str, Any] | None) -> SegmentationResult:
        spec, scores = self.case.recipe.bootstrap, self._scores[kind, answer]
        own, above = np.array([score.iou for score in scores]), {}
        for name in (CONSTANT, RANDOM):
            base = self._scores.get(("baseline", name), ())
            if kind == "answer" and len(base) == len(scores):
                above[name] = estimate(own - np.array([score.iou for score in base]), spec)
        return SegmentationResult(
            dataset=self.case.dataset.name,
            method=self.case.method.name,
            answer=answer,
            kind=kind,
            left_out=self.left_out,
            above=above,
            searched_on_test=self.case.method.sees_test_labels and kind == "answer",
            search=search if kind == "answer" else None,
            **estimates(scores, self.questions.names(), spec),
        )

    def _measured(self, kind: Kind, answer: str) -> MeasuredObjects:
        """The IoU of every shape."""
        scores, method = self._scores[kind, answer], self.case.method.name
        return MeasuredObjects(
            dataset=self.case.dataset.name,
            method=named_answer(method, answer) if kind == "answer" else answer,
            object_ids=tuple(score.object_id for score in scores),
            labels=tuple(score.category for score in scores),
            values=np.array([score.iou for score in scores]),
        )

    def _shown(self) -> tuple[ShownShape, ...]:
        """Pictures of the first answer to a few shapes."""
        wanted = self._extremes()
        shown = [
            ShownShape(
                object_id=score.object_id, category=score.category, iou=score.iou, place=wanted[score.object_id],
                picture=side_by_side(*self._seen[score.object_id]),
            )
            for score in self._scores["answer", self.first.name]
            if score.object_id in wanted
        ]  # fmt: skip
        return tuple(sorted(shown, key=lambda one: -one.iou))

    def _extremes(self) -> dict[str, Place]:
        """Ids of the best, the typical and the worst shapes."""
        count = self.options.shown
        ranked = sorted(self._scores["answer", self.first.name], key=lambda score: (-score.iou, score.object_id))
        middle = max(0, (len(ranked) - count) // 2)
        groups: tuple[tuple[Place, list[ShapeScore]], ...] = (
            ("typical", ranked[middle : middle + count]), ("worst", ranked[len(ranked) - count :] if count else []),
            ("best", ranked[:count]),
        )  # fmt: skip
        return {score.object_id: place for place, scores in groups for score in scores}

    def _notes(self) -> Iterator[str]:
        name = self.case.dataset.name
        if self.options.bounds and self.case.dataset.train_split is None:
            yield f"{name}: without a train split nothing tells the best constant answer and perfect words."
        if self.case.dataset.sentences_sha256 is None:
            yield f"{name}: parts are asked for by their names in templates; no sentence library was given."


def corrected(answer: AnswerSpec) -> AnswerSpec:
    """The answer in the corrected mode."""
    return answer if answer.mode == "corrected" else answer.model_copy(update={"mode": "corrected"})
