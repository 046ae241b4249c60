"""Means over objects with their intervals, from resampling the objects."""

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.classification.metrics import percentiles
from opendlign_core.evaluation.findings import Estimate
from opendlign_core.evaluation.specs import BootstrapSpec

Floats = NDArray[np.float64]


def estimate(values: Floats, spec: BootstrapSpec) -> Estimate:
    """The mean of the objects' values with its interval."""
    return between(float(values.mean()), resampled(values, spec), spec)


def between(value: float, draws: Floats, spec: BootstrapSpec) -> Estimate:
    """A value with the percentiles of what resampling made of it; without any where nothing was resampled."""
    interval = percentiles(draws, spec)
    return Estimate(value=value) if interval is None else Estimate(value=value, low=interval.low, high=interval.high)


def resampled(values: Floats, spec: BootstrapSpec) -> Floats:  # [N] -> [samples]
    """The mean of every resampling."""
    rng = np.random.default_rng(spec.seed)
    return rng.multinomial(len(values), np.full(len(values), 1 / len(values)), spec.samples) @ values / len(values)
