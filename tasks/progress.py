"""How far a stage is: told to whoever was given as its listener and, now and then, to its progress artifact."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# An update costs the server about 31 ms; more often than this nobody can read it.
SECONDS_BETWEEN_UPDATES = 2.0

RATED = ("images",)
"""Counts that people want to know the speed of."""

PASSED = ("remembered", "skipped")
"""Counts of steps that took no work, and so say nothing about its speed."""


@dataclass(frozen=True)
class ProgressState:
    stage: str
    done: int
    total: int
    unit: str
    seconds: float
    counts: dict[str, int]

    @property
    def rate(self) -> float:
        """Steps a second, of those that were worked on."""
        worked = self.done - sum(self.counts.get(name, 0) for name in PASSED)
        return worked / self.seconds if self.seconds > 0 else 0.0

    @property
    def speed(self) -> str:
        """The rate as people say it: `83 objects/s`, or `20 s each` where one takes longer than a second."""
        if self.rate <= 0:
            return ""
        if self.rate < 1:
            return f"{_duration(1 / self.rate)} each"
        return f"{self.rate:.{0 if self.rate >= 10 else 1}f} {self.unit}/s"

    @property
    def eta_seconds(self) -> float | None:
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    def sentence(self) -> str:
        """One line for people: done, rate, what is left, and what else was counted."""
        eta = f", about {_duration(self.eta_seconds)} left" if self.eta_seconds else ""
        extra = "".join(self._counted(name, count) for name, count in sorted(self.counts.items()) if count)
        return f"{self.done} of {self.total} {self.unit}, {self.rate:.1f} a second{eta}{extra}"

    def _counted(self, name: str, count: int) -> str:
        rate = f" ({count / self.seconds:.1f} a second)" if name in RATED and self.seconds > 0 else ""
        return f", {count} {name.replace('_', ' ')}{rate}"


class StageStopped(RuntimeError):
    """The run was cancelled: work stops at its next step, and what it was making is dropped."""


Listener = Callable[[ProgressState], None]


@dataclass
class StageProgress:
    """Counts the samples of one stage run; safe to advance from several threads."""

    stage: str
    total: int
    unit: str = "objects"
    publish: Listener | None = None
    """Told now and then: it may be slow."""
    listener: Listener | None = None
    """Told of every step."""
    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    _started: float = field(default_factory=time.monotonic)
    _published: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Count the time from now on: what was made before the work itself is no part of its speed."""
        self._started = time.monotonic()

    def stop(self) -> None:
        """Make every later step of this stage, in whatever thread, raise `StageStopped`."""
        self._stopped.set()

    def advance(self, steps: int = 1, **counts: int) -> None:
        """Add finished samples and any named counts, such as `rejected=1`."""
        if self._stopped.is_set():
            raise StageStopped(f"{self.stage} was stopped after {self.done} of {self.total} {self.unit}")
        with self._lock:
            self.done += steps
            self.counts.update(counts)
            state = self.state()
            due = time.monotonic() - self._published >= SECONDS_BETWEEN_UPDATES or self.done >= self.total
            if due:
                self._published = time.monotonic()
        if self.listener is not None:
            self.listener(state)
        if due and self.publish is not None:
            self.publish(state)

    def reach(self, done: int, total: int, skipped: int = 0) -> None:
        """Set the count instead of adding to it, for work that knows its own position and what it began behind."""
        self.total = total
        more = skipped - self.counts["skipped"]
        self.advance(done - self.done, **({"skipped": more} if more else {}))

    def state(self) -> ProgressState:
        seconds = time.monotonic() - self._started
        return ProgressState(self.stage, self.done, self.total, self.unit, seconds, dict(self.counts))


@contextmanager
def tracking(progress: StageProgress) -> Iterator[StageProgress]:
    """Show the progress from its start; where the block fails, its threads stop at their next step."""
    try:
        progress.begin()
        progress.advance(0)
        yield progress
    except BaseException:
        # A cancelled flow would otherwise wait for its task threads to finish their shards.
        progress.stop()
        raise


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
