"""Every answer to one shape's question, and what would be the answer if one thing were perfect."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.evaluation.segmentation.answers import best_parts, reference_parts
from opendlign_core.evaluation.segmentation.asking import Question
from opendlign_core.evaluation.segmentation.choices import AnswerSpec
from opendlign_core.evaluation.segmentation.head import PointPlaces, faithful_scores, patch_scores, point_scores
from opendlign_core.evaluation.segmentation.refinement import refined
from opendlign_core.evaluation.segmentation.seeing import Eye

Ids = NDArray[np.int64]
Tokens = Mapping[AnswerSpec, Tensor]


@dataclass(frozen=True)
class Seen:
    """A shape after the encoder saw it: unit tokens [V, R, C, E] by answer, shared where answers take the same."""

    sample: PlacedSample
    tokens: Tokens

    @property
    def native(self) -> int:
        """Side of the depth maps."""
        return int(self.sample.depth.shape[-1])


def look(eye: Eye, sample: PlacedSample, answers: tuple[AnswerSpec, ...]) -> Seen:
    """Encode a shape's maps, once for all answers that take the same tokens."""
    images = eye.images(sample.depth)
    known = {answer.tokens: answer for answer in reversed(answers)}
    made = {kind: eye.tokens(images, answer) for kind, answer in known.items()}
    return Seen(sample, {answer: made[answer.tokens] for answer in answers})


def answered(eye: Eye, seen: Seen, question: Question, answer: AnswerSpec) -> Ids:  # [N]
    """The part of every point."""
    places = eye.places(seen.sample.places, answer.mode, seen.native)
    tokens = seen.tokens[answer]
    if answer.mode == "faithful":
        return reference_parts(faithful_scores(tokens, question.text, places, question.weights))
    scores = point_scores(patch_scores(tokens, question.text), places, question.weights, answer.window)
    return decided(scores, places, seen.sample, answer)


def decided(scores: Tensor, places: PointPlaces, sample: PlacedSample, answer: AnswerSpec) -> Ids:
    """The parts that refined scores [N, P] come to."""
    scores, voice = refined(scores, places.seen, sample.points, answer)
    return best_parts(scores, voice[None], sample.points)


def told_by_truth(eye: Eye, sample: PlacedSample, parts: int, grid: int) -> Ids:
    """What is read back where the true parts are painted into the images, in a grid of so many cells a side.

    With a grid as fine as the images this is the bound that the projection sets, with the encoder's grid that of its
    patches: what is not right here no feature and no word can make right.
    """
    places = eye.places(sample.places, "corrected", sample.depth.shape[-1])
    painted = true_shares(sample.parts, places, parts, grid).permute(0, 3, 1, 2)
    return best_parts(point_scores(painted, places), places.seen, sample.points)


def true_shares(parts: NDArray[np.integer], places: PointPlaces, count: int, grid: int) -> Tensor:  # [V, G, G, P]
    """The share of each part among the points that are seen in each cell of a grid over the images."""
    cell = (places.pixel * grid // places.size).clamp(0, grid - 1)  # [V, N, 2]
    known = torch.from_numpy(parts.astype(np.int64))
    counted = (places.seen & (known >= 0)).float()
    flat = (cell[..., 0] * grid + cell[..., 1]) * count + known.clamp(min=0)
    shares = torch.zeros(len(cell), grid * grid * count).scatter_add_(1, flat, counted)
    shares = shares.view(len(cell), grid, grid, count)
    return shares / shares.sum(-1, keepdim=True).clamp(min=1)


def guessed(sample: PlacedSample, parts: int) -> Ids:
    """A part drawn for every point; the same for a shape wherever it is judged."""
    return np.random.default_rng(zlib.crc32(sample.object_id.encode())).integers(parts, size=len(sample.points))
