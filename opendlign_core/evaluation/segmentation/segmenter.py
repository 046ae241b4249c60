"""The parts of any single shape, by the words for them: the benchmark's answer, where no truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign_core.evaluation.features import Floats, PlacedSample
from opendlign_core.evaluation.model import EvaluatedModel, text_classifier
from opendlign_core.evaluation.segmentation.asking import Question
from opendlign_core.evaluation.segmentation.choices import AnswerSpec, SegmentationOptions, check_parts
from opendlign_core.evaluation.segmentation.judging import Ids, answered, look
from opendlign_core.evaluation.segmentation.seeing import Eye
from opendlign_core.evaluation.segmentation.words import part_phrases
from opendlign_core.evaluation.specs import MethodSpec
from opendlign_core.samples import Places

LEAST_POINTS = 32
"""Of fewer no part has points enough to be told apart."""


@dataclass(frozen=True)
class Segmenter:
    """A model that names the points of shapes as the first answer of a benchmark's options does."""

    eye: Eye
    options: SegmentationOptions

    @classmethod
    def of(cls, model: EvaluatedModel, method: MethodSpec, options: SegmentationOptions) -> "Segmenter":
        """The model seen through one of a method's branches."""
        return cls(Eye(model, method, options.cropped), options)

    @property
    def answer(self) -> AnswerSpec:
        return self.options.answers[0]

    def question(self, parts: Sequence[str], category: str = "") -> Question:
        """What is asked of every point; without a category a part is no one's: "seat", not "seat of a chair".

        Raises:
            BadInput: there are not two different parts.
        """
        names = check_parts(parts, category or "the shape")
        phrases = part_phrases(category, names, self.options.words if category else "alone")
        method = self.eye.method
        text = text_classifier(self.eye.model, phrases, method.text)
        weights = None if method.view_weights is None else torch.tensor(method.view_weights)
        return Question(category, len(names), names, text, weights)

    def parts_of(self, points: Floats, depth: Floats, places: Places, question: Question) -> Ids:  # [N]
        """The part of every point [N, 3] of a shape, seen in its depth maps [V, S, S]."""
        unknown: NDArray[np.int32] = np.full(len(points), -1, np.int32)
        sample = PlacedSample("shape", question.category, points, unknown, question.names, depth, places)
        return answered(self.eye, look(self.eye, sample, (self.answer,)), question, self.answer)
