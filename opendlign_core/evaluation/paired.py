"""Two judgements of the same objects side by side: what one names right and the other does not.

Both saw the same objects, so the interval is of the difference on each object; it is far narrower than what two
separate intervals would suggest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.classification.metrics import best_classes
from opendlign_core.evaluation.estimates import between
from opendlign_core.evaluation.findings import Estimate, Judged, ScoredObjects
from opendlign_core.evaluation.specs import BootstrapSpec

Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Gain:
    """How much more of a data set `method` names right than `against` does."""

    dataset: str
    method: str
    against: str
    objects: int
    won: int
    """Objects that `method` alone names right."""
    lost: int
    """Objects that `against` alone names right."""
    share: Estimate
    """The difference of the two shares, with its paired interval."""

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves out that nothing changed; never where there is no interval."""
        low, high = self.share.low, self.share.high
        return low is not None and high is not None and not low <= 0 <= high


def paired_share(before: Hits, after: Hits, bootstrap: BootstrapSpec) -> Estimate:
    """The share of `after` less that of `before`, both [N] for the same objects.

    Resampling objects is a multinomial draw over those that were won, lost and neither.

    >>> before, after = np.array([True, False, False, True]), np.array([True, True, True, False])
    >>> paired_share(before, after, BootstrapSpec(samples=0)).value
    0.25
    """
    won, lost, objects = int((after & ~before).sum()), int((before & ~after).sum()), len(before)
    shares = np.array([won, lost, objects - won - lost]) / objects
    draws = np.random.default_rng(bootstrap.seed).multinomial(objects, shares, bootstrap.samples)
    return between((won - lost) / objects, (draws[:, 0] - draws[:, 1]) / objects, bootstrap)


def gains_over(against: str, judged: Sequence[Judged], bootstrap: BootstrapSpec) -> Iterator[Gain]:
    """What every other method gained over `against`, on each data set where both scored the same objects."""
    scored = [part for part in judged if isinstance(part, ScoredObjects)]
    known = {part.dataset: part for part in scored if part.method == against}
    for part in scored:
        other = known.get(part.dataset)
        if other is not None and part.method != against and part.object_ids == other.object_ids:
            yield _gain(other, part, bootstrap)


def _gain(before: ScoredObjects, after: ScoredObjects, bootstrap: BootstrapSpec) -> Gain:
    was, now = _hits(before), _hits(after)
    won, lost = int((now & ~was).sum()), int((was & ~now).sum())
    share = paired_share(was, now, bootstrap)
    return Gain(after.dataset, after.method, before.method, len(was), won, lost, share)


def _hits(part: ScoredObjects) -> Hits:
    right: Hits = best_classes(part.scores) == part.labels
    return right
