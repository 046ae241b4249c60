"""The search that PointCLIP V2 adds to its head: one sentence per class and one weight per view.

The reference runs it on test labels. Here the same search takes any labelled features, so that it can run on a
training split; whoever passes test features must mark the outcome (`ZeroShotResult.searched_on_test`).
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.classification.metrics import Ints
from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.labels import LabelIndex
from opendlign_core.evaluation.specs import SearchSpec

_ROWS = 256


def read_sentences(path: Path, classes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Sentences of every class from a library: one JSON object, class name -> list of strings.

    Raises:
        BadInput: the file has another shape, or a class has no sentences.
    """
    try:
        library = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadInput(f"{path} is not JSON: {error}") from error
    if not isinstance(library, dict) or not all(isinstance(texts, list) for texts in library.values()):
        raise BadInput(f"{path} must hold one JSON object, class name -> list of sentences")
    index = LabelIndex(tuple(library))
    names = list(library)
    places = [index.find(name) for name in classes]
    missing = [name for name, place in zip(classes, places, strict=True) if place is None]
    if missing:
        raise BadInput(f"{path} has no sentences for {', '.join(missing[:5])} ({len(missing)} classes)")
    return tuple(tuple(map(str, library[names[place]])) for place in places if place is not None)


def find_library(sha256: str, paths: Sequence[str]) -> Path:
    """The library file with this digest.

    Raises:
        BadInput: none of `paths` has it.
    """
    for path in map(Path, paths):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return path
    raise BadInput(
        f"no sentence library with sha256 {sha256[:12]}... among {list(paths)}; name its file in `libraries`"
    )


def pooled(views: Floats, weights: Sequence[float]) -> Floats:
    """Weighted sum of views [N, V, E] -> [N, E]; its product with unit texts ranks classes as the head does."""
    summed: Floats = np.einsum("nve,v->ne", views, np.asarray(weights, np.float32))
    return summed


@dataclass(frozen=True)
class SentenceSearch:
    """`chosen` is the library index per class, -1 where the starting sentence stayed; accuracies are fractions."""

    chosen: tuple[int, ...]
    text: Floats  # [C, E]
    before: float
    after: float


def search_sentences(
    objects: Floats, labels: Ints, text: Floats, library: Sequence[Floats], sweeps: int
) -> SentenceSearch:
    """Greedy coordinate ascent: class by class, the first sentence that raises accuracy most replaces the current one.

    Args:
        objects: pooled features [N, E].
        labels: classes [N].
        text: starting unit features [C, E].
        library: unit features [J, E] of every class's sentences.
        sweeps: times all classes are gone through.
    """
    text = text.copy()
    scores = objects @ text.T  # [N, C]
    before = best = float((scores.argmax(axis=1) == labels).mean())
    chosen = [-1] * len(text)
    for _, place in itertools.product(range(sweeps), range(len(text))):
        candidates = objects @ library[place].T  # [N, J]
        accuracy = _with_candidates(scores, labels, place, candidates)
        first = int(accuracy.argmax())
        if accuracy[first] > best:
            best, chosen[place] = float(accuracy[first]), first
            text[place], scores[:, place] = library[place][first], candidates[:, first]
    return SentenceSearch(tuple(chosen), text, before, best)


def _with_candidates(scores: Floats, labels: Ints, place: int, candidates: Floats) -> NDArray[np.float64]:
    """Accuracy [J] if one column of the scores were each candidate; equal scores go to the lower class index."""
    others = scores.copy()
    others[:, place] = -np.inf
    rival = others.argmax(axis=1)
    bar = others[np.arange(len(labels)), rival][:, None]
    wins = (candidates > bar) | ((candidates == bar) & (place < rival[:, None]))
    own, right_rival = labels == place, (rival == labels)
    hits = wins[own].sum(axis=0) + (~wins[right_rival & ~own]).sum(axis=0)
    accuracy: NDArray[np.float64] = hits / len(labels)
    return accuracy


@dataclass(frozen=True)
class WeightSearch:
    """The weights found, or the incoming ones where nothing beat weighing all views alike."""

    weights: tuple[float, ...]
    before: float
    after: float


def search_weights(
    views: Floats, labels: Ints, text: Floats, incoming: Sequence[float], spec: SearchSpec
) -> WeightSearch:
    """Try every combination of levels for the views that are not fixed; the first of the best wins.

    The bar to beat is the accuracy of unweighted views, whatever the incoming weights.
    """
    cosines = views @ text.T  # [N, V, C]
    before = float((cosines.sum(axis=1).argmax(axis=1) == labels).mean())
    free = views.shape[1] - spec.fixed_views
    hits = np.zeros(len(spec.levels) ** free, np.int64)
    for start in range(0, len(labels), _ROWS):
        hits += _grid_hits(cosines[start : start + _ROWS], labels[start : start + _ROWS], spec)
    best = int(hits.argmax())
    after = float(hits[best] / len(labels))
    if after <= before:
        return WeightSearch(tuple(incoming), before, before)
    found = next(itertools.islice(itertools.product(spec.levels, repeat=free), best, None))
    return WeightSearch((*(spec.fixed_weight,) * spec.fixed_views, *found), before, after)


def _grid_hits(cosines: Floats, labels: Ints, spec: SearchSpec) -> Ints:
    """Hits [levels ** free] of every combination, the last view's level changing fastest."""
    fixed = spec.fixed_weight * cosines[:, : spec.fixed_views].sum(axis=1)  # [N, C]
    half = (spec.fixed_views + cosines.shape[1]) // 2
    slow = list(_partial_sums(cosines[:, spec.fixed_views : half], spec.levels))
    fast = list(_partial_sums(cosines[:, half:], spec.levels))
    hits = [np.count_nonzero((fixed + head + tail).argmax(axis=1) == labels) for head in slow for tail in fast]
    return np.asarray(hits, np.int64)


def _partial_sums(cosines: Floats, levels: Sequence[float]) -> Iterator[Floats]:
    """Weighted sums [N, C] over some views for every combination of levels."""
    for weights in itertools.product(levels, repeat=cosines.shape[1]):
        yield pooled(cosines, weights)


def fit_and_validation(count: int, spec: SearchSpec) -> tuple[Ints, Ints]:
    """Rows to search on and rows to judge the outcome on, drawn from the recipe's seed."""
    order = np.random.default_rng(spec.seed).permutation(count)
    held = max(1, round(count * spec.validation_share))
    return np.sort(order[held:]), np.sort(order[:held])
