"""What is asked of the points of each category: the names of its parts, unit texts for them, weights of the views."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.classification.pointclip import find_library
from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.evaluation.lab import Lab
from opendlign_core.evaluation.model import encode_texts
from opendlign_core.evaluation.segmentation.choices import PARTS_REMEDY, SegmentationOptions, check_parts
from opendlign_core.evaluation.segmentation.words import PartLibrary, part_phrases, shipped_for
from opendlign_core.evaluation.specs import DatasetSpec, MethodSpec


@dataclass(frozen=True)
class Question:
    """The parts of one category in the words of one method."""

    category: str
    parts: int
    """How many parts are counted; the texts may be for the first of them only, as PointCLIP V2's are for lamps."""
    names: tuple[str, ...]
    text: Tensor  # [P, E]
    weights: Tensor | None  # [V]

    def reworded(self, text: Tensor, weights: Tensor | None) -> "Question":
        """The same parts in other words."""
        return replace(self, text=text, weights=weights)


@dataclass
class Questioner:
    """Makes the question of every category once, when the first of its shapes comes."""

    lab: Lab
    dataset: DatasetSpec
    method: MethodSpec
    options: SegmentationOptions
    searched: Mapping[str, Question] = field(default_factory=dict)
    """Questions that a search found better words for."""
    _made: dict[str, Question] = field(default_factory=dict)

    def of(self, sample: PlacedSample) -> Question:
        """The question for a shape.

        Raises:
            BadInput: its category has no part names, fewer than two parts, other parts than the shapes before it, or
                is not in the library.
        """
        category, names = sample.label or "", self._names(sample)
        if category not in self._made:
            self._made[category] = self._make(category, names)
        made = self._made[category]
        if made.names != names:
            raise BadInput(
                f"{sample.object_id}: its parts are {', '.join(names)}, but those of the {category} before it are "
                f"{', '.join(made.names)}; give every {category} one list, in options.segmentation.parts for instance"
            )
        if int(sample.parts.max(initial=-1)) >= made.parts:
            raise BadInput(
                f"{sample.object_id}: a point belongs to part {int(sample.parts.max())}, but a {category} has "
                f"{made.parts} parts ({', '.join(made.names)})"
            )
        return self.searched.get(category, made)

    def names(self) -> dict[str, tuple[str, ...]]:
        """The parts of every category so far."""
        return {category: question.names for category, question in self._made.items()}

    @cached_property
    def sentences(self) -> PartLibrary | None:
        """The data set's sentences; None where it names none. Raises `BadInput` where its file is not there."""
        digest = self.dataset.sentences_sha256
        if digest is None:
            return None
        return PartLibrary.read(find_library(digest, self.lab.execution.libraries))

    def _names(self, sample: PlacedSample) -> tuple[str, ...]:
        given = self.options.parts.get(sample.label or "", sample.part_names)
        return check_parts(given, sample.label or sample.object_id, PARTS_REMEDY)

    def _make(self, category: str, names: tuple[str, ...]) -> Question:
        own = self.method.view_weights
        if self.options.shipped:
            given, known = self._required_sentences(), shipped_for(category)
            chosen = known.chosen(category, given, len(names))
            text = encode_texts(self.lab.model, chosen, self.lab.execution.text_batch)
            return Question(category, len(names), names, text, torch.tensor(own or known.weights))
        phrases = part_phrases(category, names, self.options.words)
        text = torch.from_numpy(self.lab.text(phrases, self.method.on(self.dataset)))
        return Question(category, len(names), names, text, torch.tensor(own) if own else None)

    def _required_sentences(self) -> PartLibrary:
        if self.sentences is None:
            raise BadInput(
                "the shipped sentences are places in PointCLIP V2's library, which is not part of this package: name "
                f"its file in the data set {self.dataset.name!r} with sentences_sha256={{file: PATH}}, or set "
                "options.segmentation.shipped to false for prompts made of the part names"
            )
        return self.sentences
