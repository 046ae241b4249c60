"""What shapes with known parts teach: the best constant answer, and the words that would be perfect."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.evaluation.segmentation.asking import Questioner
from opendlign_core.evaluation.segmentation.choices import AnswerSpec
from opendlign_core.evaluation.segmentation.judging import look, true_shares
from opendlign_core.evaluation.segmentation.metrics import shape_iou
from opendlign_core.evaluation.segmentation.seeing import Eye


@dataclass
class Lesson:
    """Sums over the shapes of one category; nothing of a single shape is kept."""

    constants: list[float]
    """By part: what IoUs add up to where every point is called it."""
    tokens: Tensor  # [P, E], tokens of patches summed by the parts that they show

    @property
    def constant(self) -> int:
        """The part that does best as the answer for every point."""
        return int(np.argmax(self.constants))

    @property
    def words(self) -> Tensor:  # [P, E]
        """The mean token of every part, as a unit text; zero for a part that was never seen."""
        words: Tensor = self.tokens / torch.linalg.vector_norm(self.tokens, dim=-1, keepdim=True).clamp(min=1e-9)
        return words


@dataclass
class Teacher:
    """Learns from shapes of the train split, one after the other, in the tokens of one answer."""

    eye: Eye
    answer: AnswerSpec
    _lessons: dict[str, Lesson] = field(default_factory=dict)

    def learn(self, samples: Iterable[PlacedSample], questions: Questioner) -> Mapping[str, Lesson]:
        """What the shapes teach, by category."""
        for sample in samples:
            parts = questions.of(sample).parts
            seen = look(self.eye, sample, (self.answer,)).tokens[self.answer]
            lesson = self._lessons.setdefault(
                sample.label or "", Lesson([0.0] * parts, torch.zeros(parts, seen.shape[-1]))
            )
            places = self.eye.places(sample.places, "corrected", sample.depth.shape[-1])
            share = true_shares(sample.parts, places, parts, seen.shape[1])
            lesson.tokens += torch.einsum("vrcp,vrce->pe", share, seen)
            for part in range(parts):
                lesson.constants[part] += shape_iou(np.full(len(sample.parts), part), sample.parts, parts)
        return self._lessons
