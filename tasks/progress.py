"""How far a stage is: told to whoever listens in this process and, in a Prefect run, to a progress artifact."""

import contextvars
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
        return self.done / self.seconds if self.seconds > 0 else 0.0

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
_listener: contextvars.ContextVar[Listener | None] = contextvars.ContextVar("listener", default=None)
_current: contextvars.ContextVar["StageProgress | None"] = contextvars.ContextVar("progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` on every step of the stages run inside the block, in this process."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@dataclass
class StageProgress:
    """Counts the samples of one stage run; safe to advance from several threads."""

    stage: str
    total: int
    unit: str = "objects"
    publish: Callable[[ProgressState], None] | None = None
    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    _started: float = field(default_factory=time.monotonic)
    _published: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

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
        if listener := _listener.get():
            listener(state)
        if due and self.publish is not None:
            self.publish(state)

    def reach(self, done: int, total: int) -> None:
        """Set the count instead of adding to it, for work that knows its own position."""
        self.total = total
        self.advance(done - self.done)

    def state(self) -> ProgressState:
        seconds = time.monotonic() - self._started
        return ProgressState(self.stage, self.done, self.total, self.unit, seconds, dict(self.counts))


@contextmanager
def tracking(
    stage: str, total: int, unit: str = "objects", publish: Callable[[ProgressState], None] | None = None
) -> Iterator[StageProgress]:
    """Make a stage's progress the current one; `current_progress` finds it, also inside task threads."""
    progress = StageProgress(stage, total, unit, publish)
    token = _current.set(progress)
    try:
        progress.advance(0)
        yield progress
    except BaseException:
        # A cancelled flow would otherwise wait for its task threads to finish their shards.
        progress.stop()
        raise
    finally:
        _current.reset(token)


def current_progress() -> StageProgress:
    """The progress of the stage that runs, or one nobody listens to."""
    return _current.get() or StageProgress("", 0)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
