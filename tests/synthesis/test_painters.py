"""Painting in other processes: the same bytes, nobody waits for a process that is gone, and none stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.synthesis import ShadedRecipe
from opendlign_core.synthesis.painters import Painter, PainterDied, Painters
from opendlign_core.synthesis.shaded import ShadedSynthesizer, paint_images
from tests.servers import ROOT

Depth = NDArray[np.float32]
PROMPTS = [f"a {name} chair" for name in ("red", "oak", "glass", "", "brick", "striped")] * 2


@pytest.fixture
def painters() -> Iterator[Painters]:
    started = Painters(ShadedRecipe(), 3)
    yield started
    started.close()


def test_several_processes_give_the_bytes_of_one(painters: Painters, depth: Depth) -> None:
    alone = paint_images(depth, PROMPTS, range(12), ShadedRecipe())
    assert painters.ready(60)
    assert np.array_equal(painters.paint(depth, PROMPTS, range(12)), alone)
    few = painters.paint(depth[:2], PROMPTS[:2], range(2))
    assert np.array_equal(few, alone[:2]), "fewer images than processes"


def test_the_recipe_goes_along(depth: Depth) -> None:
    recipe = ShadedRecipe(relief=3.0)
    painter = Painter(recipe)
    assert painter.ready(60)
    assert np.array_equal(painter.paint(depth, PROMPTS, range(12)), paint_images(depth, PROMPTS, range(12), recipe))
    painter.close()
    assert painter.process.returncode is not None


def test_a_synthesizer_starts_them_when_there_is_much_to_paint(depth: Depth) -> None:
    alone, shared = ShadedSynthesizer(), ShadedSynthesizer(workers=2)
    shared.prepare(11)
    few = shared.painters
    shared.prepare(5_000)
    assert few is None and shared.painters is not None
    assert np.array_equal(shared.generate(depth, PROMPTS, range(12)), alone.generate(depth, PROMPTS, range(12)))
    shared.painters.close()


def test_a_process_that_is_killed_costs_no_image(depth: Depth, caplog: pytest.LogCaptureFixture) -> None:
    shared = ShadedSynthesizer(workers=2)
    shared.prepare(5_000)
    assert shared.painters is not None
    for painter in shared.painters.painters:
        os.kill(painter.process.pid, signal.SIGKILL)
    images = shared.generate(depth, PROMPTS, range(12))
    assert np.array_equal(images, ShadedSynthesizer().generate(depth, PROMPTS, range(12)))
    assert "painting goes on in this process" in caplog.text
    assert shared.painters is None, "and it is not asked again"


def test_a_process_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PainterDied, match="could not start"):
        Painter(ShadedRecipe()).ready(60)


def test_they_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import time\n"
        "from opendlign_core.synthesis import ShadedRecipe\n"
        "from opendlign_core.synthesis.painters import Painters\n"
        "painters = Painters(ShadedRecipe(), 2)\n"
        "assert painters.ready(60)\n"
        "print(*(painter.process.pid for painter in painters.painters), flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while any(_runs(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
