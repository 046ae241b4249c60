"""Progress is told to listeners and, throttled, to a publisher."""

import threading
import time

import pytest

from tasks.progress import ProgressState, StageProgress, StageStopped, tracking


def test_listeners_hear_every_step_and_the_publisher_the_first_and_the_last() -> None:
    heard: list[ProgressState] = []
    published: list[ProgressState] = []
    with tracking(StageProgress("paint", 10, "images", published.append, heard.append)) as progress:
        for _ in range(10):
            progress.advance(rejected=1)
    assert [state.done for state in heard] == list(range(11))
    assert heard[-1].counts == {"rejected": 10}
    assert [state.done for state in published] == [0, 10]


def test_threads_count_together() -> None:
    with tracking(StageProgress("paint", 400)) as progress:

        def count() -> None:
            for _ in range(100):
                progress.advance()

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert progress.done == 400


def test_a_sentence_says_rate_and_what_is_left() -> None:
    state = ProgressState("paint", 50, 200, "images", 25.0, {"rejected": 3})
    assert state.sentence() == "50 of 200 images, 2.0 a second, about 1 min 15 s left, 3 rejected"
    assert ProgressState("paint", 200, 200, "images", 25.0, {}).sentence() == "200 of 200 images, 8.0 a second"
    state = ProgressState("paint", 50, 200, "objects", 25.0, {"rejected": 3, "images": 500, "rejected_images": 7})
    assert state.sentence() == (
        "50 of 200 objects, 2.0 a second, about 1 min 15 s left, 500 images (20.0 a second), 3 rejected, "
        "7 rejected images"
    )


def test_steps_that_took_no_work_say_nothing_about_the_speed() -> None:
    state = ProgressState("tokens val", 1410, 1410, "objects", 2.0, {"skipped": 1269})
    assert state.speed == "70 objects/s"
    assert ProgressState("evaluate", 300, 300, "objects", 2.0, {"remembered": 300}).speed == ""


def test_a_continued_training_is_as_fast_as_what_it_does_itself() -> None:
    heard: list[ProgressState] = []
    progress = StageProgress("train", 1000, "steps", listener=heard.append)
    for step in (930, 960):
        progress._started = time.monotonic() - 10
        progress.reach(step, 1000, 900)
    assert [state.speed for state in heard] == ["3.0 steps/s", "6.0 steps/s"]


def test_speed_is_told_in_words_that_fit_it() -> None:
    assert ProgressState("paint", 7, 20, "objects", 2.0, {}).speed == "3.5 objects/s"
    assert ProgressState("paint", 2, 20, "objects", 80.0, {}).speed == "40 s each"


def test_what_was_made_before_the_work_is_no_part_of_its_time() -> None:
    progress = StageProgress("train", 10, "steps")
    progress._started -= 1000
    with tracking(progress):
        progress.advance(10)
    assert progress.state().seconds < 100


def test_work_that_knows_its_position_sets_it() -> None:
    with tracking(StageProgress("train", 0, "steps")) as progress:
        progress.reach(40, 100)
        progress.reach(100, 100)
    assert (progress.done, progress.total) == (100, 100)


def test_a_cancelled_stage_stops_its_threads_at_their_next_step() -> None:
    stopped = threading.Event()

    def work(progress: StageProgress) -> None:
        try:
            while True:
                progress.advance()
        except StageStopped:
            stopped.set()

    def cancelled() -> None:
        with tracking(StageProgress("paint", 100)) as progress:
            threading.Thread(target=work, args=(progress,), daemon=True).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cancelled()
    assert stopped.wait(10)
