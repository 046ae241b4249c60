import threading
import time
from collections.abc import Iterator

import pytest

from opendlign_core.streams import mapped, prefetched


def leftovers() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("prefetched", "mapped"))]


def uneven(number: int) -> int:
    time.sleep(0.001 * (number % 3))
    return number


def test_order_is_kept_and_threads_end() -> None:
    assert list(prefetched(range(100), 3)) == list(range(100))
    assert list(mapped(uneven, range(50), 4)) == list(range(50))
    assert leftovers() == []


def test_prefetching_is_bounded() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    stream = prefetched(source(), 3)
    assert next(stream) == 0
    time.sleep(0.1)
    assert len(made) <= 6  # one taken, three waiting, one in hand, one at the door
    stream.close()
    assert leftovers() == []


def test_mapping_is_bounded_and_overlaps() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return number

    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    stream = mapped(work, source(), 3)
    next(stream)
    assert len(taken) <= 6
    assert list(stream) == list(range(1, 100))
    assert most == 3


@pytest.mark.parametrize("after", [0, 3])
def test_the_source_s_error_arrives_in_its_place(after: int) -> None:
    def source() -> Iterator[int]:
        yield from range(after)
        raise KeyError("lost")

    for stream in (prefetched(source(), 2), mapped(lambda n: n, source(), 2)):
        got: list[int] = []
        with pytest.raises(KeyError, match="lost"):
            got.extend(stream)
        assert got == list(range(len(got)))
        assert leftovers() == []


def test_an_error_of_the_function_arrives_in_its_place() -> None:
    got = []
    with pytest.raises(ZeroDivisionError):
        for value in mapped(lambda n: 1 // (n - 3), range(10), 2):
            got.append(value)  # noqa: PERF402
    assert got == [1 // (n - 3) for n in range(3)]
    assert leftovers() == []


def test_closing_closes_the_whole_chain() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from range(10**6)
        finally:
            closed.append(threading.current_thread().name)

    stream = mapped(str, prefetched(mapped(abs, source(), 1), 2), 2)
    assert next(stream) == "0"
    stream.close()
    assert len(closed) == 1
    assert leftovers() == []


def test_depth_and_workers_must_be_positive() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        next(prefetched([1], 0))
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        next(mapped(abs, [1], 0))
