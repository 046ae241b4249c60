"""The search of PointCLIP V2 for parts: one sentence for each part and one weight for each view, by mean IoU.

The reference runs it on test labels. Here it takes any shapes whose parts are known, so that it can run on a train
split, where what it found is kept only if it does better on shapes that it did not see.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.evaluation.classification.pointclip import fit_and_validation
from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.evaluation.model import encode_texts
from opendlign_core.evaluation.segmentation.asking import Question, Questioner
from opendlign_core.evaluation.segmentation.choices import AnswerSpec
from opendlign_core.evaluation.segmentation.head import REFERENCE_WINDOW, PointPlaces, point_scores, scrambled
from opendlign_core.evaluation.segmentation.judging import look
from opendlign_core.evaluation.segmentation.seeing import Eye
from opendlign_core.evaluation.specs import SearchSpec

POINTS = 128
"""Points of a shape that the search looks at, evenly among all."""
_COMBINATIONS = 64

Ints = NDArray[np.int64]


@dataclass
class Known:
    """Some shapes of one category, in few points and half precision: a search holds several at once."""

    question: Question
    features: list[Tensor] = field(default_factory=list)  # each [V, K, E] float16, zero where a view sees no point
    truth: list[Ints] = field(default_factory=list)  # each [K]

    def stacked(self, rows: Sequence[int]) -> tuple[Tensor, Ints]:
        """Features [n, V, K, E] and truth [n, K] of some of the shapes."""
        return torch.stack([self.features[row] for row in rows]), np.stack([self.truth[row] for row in rows])


@dataclass(frozen=True)
class PartSearch:
    """Searches words and weights for every category, in the tokens of one answer."""

    eye: Eye
    answer: AnswerSpec
    spec: SearchSpec
    most: int
    """Shapes of a category that are looked at."""

    def run(
        self, samples: Iterable[PlacedSample], questions: Questioner, honest: bool
    ) -> tuple[dict[str, Question], dict[str, Any]]:
        """The better questions by category, and what the search did; `honest` holds shapes out to judge it on."""
        found: dict[str, Question] = {}
        record: dict[str, Any] = {}
        for category, known in sorted(self._known(samples, questions).items()):
            count = len(known.truth)
            fit, held = fit_and_validation(count, self.spec) if honest else (np.arange(count),) * 2
            if len(fit) and len(held):
                found[category], record[category] = self._better(known, questions, fit, held, honest)
        return found, record

    def _better(
        self, known: Known, questions: Questioner, fit: Ints, held: Ints, honest: bool
    ) -> tuple[Question, dict[str, Any]]:
        start = known.question
        sentences, chosen = self._sentences(known, questions, fit)
        better = start.reworded(sentences, self._weights(known, fit, sentences))
        before, after = (_iou(*known.stacked(held.tolist()), question) for question in (start, better))
        kept = not honest or after > before
        used = better if kept else start
        weights = None if used.weights is None else tuple(map(float, used.weights))
        return used, {
            "objects": len(fit),
            "held_out": len(held) if honest else 0,
            "miou_before": before,
            "miou_after": after,
            "kept": kept,
            "sentences": chosen if kept else (),
            "view_weights": weights,
        }

    def _known(self, samples: Iterable[PlacedSample], questions: Questioner) -> dict[str, Known]:
        found: dict[str, Known] = {}
        for sample in samples:
            question = questions.of(sample)
            known = found.setdefault(question.category, Known(question))
            if len(known.truth) < self.most:
                rows, truth = _few(sample)
                known.features.append(self._features(sample, rows))
                known.truth.append(truth)
        return found

    def _features(self, sample: PlacedSample, rows: Ints) -> Tensor:  # [V, K, E]
        seen = look(self.eye, sample, (self.answer,))
        tokens, places = seen.tokens[self.answer], self.eye.places(sample.places, self.answer.mode, seen.native)
        window = self.answer.window
        if self.answer.mode == "faithful":
            tokens, places, window = scrambled(tokens), places.mirrored(), REFERENCE_WINDOW
        patches = tokens.permute(0, 3, 1, 2)
        at = torch.from_numpy(rows)
        few = PointPlaces(places.pixel[:, at], places.seen[:, at], places.size)
        read = [
            point_scores(patches[view : view + 1], _one_view(few, view), window=window) for view in range(len(patches))
        ]
        return torch.stack(read).half()

    def _sentences(self, known: Known, questions: Questioner, fit: Ints) -> tuple[Tensor, tuple[int, ...]]:
        """Unit texts [P, E], part by part the sentence that raises the mean IoU most, and their places."""
        text, start = known.question.text.clone(), known.question
        if questions.sentences is None:
            return text, ()
        features, truth = known.stacked(fit.tolist())
        pooled = _pooled(features, start.weights)
        lists = questions.sentences.of(start.category, start.parts)
        choices = [encode_texts(self.eye.model, sentences) for sentences in lists]
        best, chosen = _iou(features, truth, start), [-1] * len(text)
        for _, part in itertools.product(range(self.spec.sweeps), range(len(choices))):
            ious = mean_ious(_with_candidates(pooled @ text.T, pooled @ choices[part].T, part), truth, start.parts)
            first = int(ious.argmax())
            if ious[first] > best:
                best, chosen[part], text[part] = float(ious[first]), first, choices[part][first]
        return text, tuple(chosen)

    def _weights(self, known: Known, fit: Ints, text: Tensor) -> Tensor | None:
        """The best weights [V] on a grid of levels; those of the start where none is better."""
        features, truth = known.stacked(fit.tolist())
        scores = features.float() @ text.T  # [n, V, K, P]
        best, weights = _iou(features, truth, known.question.reworded(text, known.question.weights)), None
        for some in _grid(scores.shape[1], self.spec):
            found = torch.einsum("nvkp,cv->nkcp", scores, some).argmax(-1).numpy()
            ious = mean_ious(found, truth, known.question.parts)
            first = int(ious.argmax())
            if ious[first] > best:
                best, weights = float(ious[first]), some[first]
        return known.question.weights if weights is None else weights


def _few(sample: PlacedSample) -> tuple[Ints, Ints]:  # [POINTS], [POINTS]
    """Some points of a shape and their parts; what lacks is filled with its last, which then has no part to count."""
    count = min(POINTS, len(sample.points))
    rows = np.linspace(0, len(sample.points) - 1, count).astype(np.int64)
    fill = (0, POINTS - count)
    return np.pad(rows, fill, mode="edge"), np.pad(sample.parts[rows].astype(np.int64), fill, constant_values=-1)


def mean_ious(found: Ints, truth: Ints, parts: int) -> NDArray[np.float64]:  # [n, K, J], [n, K] -> [J]
    """Mean IoU over shapes of each of several answers; points without a part are left out.

    >>> mean_ious(np.array([[[0, 1], [1, 1]]]), np.array([[0, 1]]), 2)
    array([1.  , 0.25])
    """
    counted, total = (truth >= 0)[..., None], np.zeros(found.shape[2])
    for part in range(parts):
        said, true = (found == part) & counted, (truth == part)[..., None]
        both, either = (said & true).sum(1), (said | true).sum(1)
        total += np.where(either > 0, both / np.maximum(either, 1), 1.0).mean(0)
    return total / parts


def _iou(features: Tensor, truth: Ints, question: Question) -> float:
    found = (_pooled(features, question.weights) @ question.text.T).argmax(-1)
    return float(mean_ious(found[..., None].numpy(), truth, question.parts)[0])


def _pooled(features: Tensor, weights: Tensor | None) -> Tensor:  # [n, V, K, E] -> [n, K, E]
    return torch.einsum("nvke,v->nke", features.float(), torch.ones(features.shape[1]) if weights is None else weights)


def _with_candidates(scores: Tensor, candidates: Tensor, part: int) -> Ints:
    """Parts [n, K, J] if the scores [n, K, P] of one part were each of the candidates [n, K, J]."""
    others = scores.clone()
    others[..., part] = -torch.inf
    bar, rival = others.max(-1, keepdim=True)
    wins = (candidates > bar) | ((candidates == bar) & (part < rival))
    found: Ints = torch.where(wins, part, rival).numpy()
    return found


def _grid(views: int, spec: SearchSpec) -> Iterator[Tensor]:  # each [C, V]
    """Every combination of levels over the views that are not fixed, the last changing fastest, some at a time."""
    fixed = min(spec.fixed_views, views)
    combinations = itertools.product(spec.levels, repeat=views - fixed)
    while some := list(itertools.islice(combinations, _COMBINATIONS)):
        yield torch.tensor([[spec.fixed_weight] * fixed + list(one) for one in some])


def _one_view(places: PointPlaces, view: int) -> PointPlaces:
    return PointPlaces(places.pixel[view : view + 1], places.seen[view : view + 1], places.size)
