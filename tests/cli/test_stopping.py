"""Told to stop, a command stops: in a real terminal, at each stage, with its children; the next run continues."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opendlign.ending import PATIENCE
from storage.stores import open_store
from storage.upkeep import verify_store
from tests.cli.terminal import Terminal
from tests.cubes import CUBE
from tests.integration.harness import running, until
from tests.integration.presets import write_preset

SOON = 30.0
"""Far more than is promised, because other tests may keep the processors."""
PROMISED = 5.0
"""Seconds from the first signal to the end."""

Start = Callable[..., Terminal]
SAID = "stopped; what was committed stays, and the same command continues"
STAGES = ("ingest", "project", "synthesize", "tokens train", "train", "evaluate")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start Python programs in terminals; those of one test share a home."""
    private = ("PREFECT_API", "OPENDLIGN_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    environment |= {"PREFECT_HOME": str(tmp_path / "prefect"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    started: list[Terminal] = []

    def start(*words: str) -> Terminal:
        started.append(Terminal(*words, cwd=tmp_path, environment=environment))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


@pytest.fixture
def run(start: Start, tmp_path: Path) -> Callable[[], Terminal]:
    """Start `opendlign run` on shapes enough that no stage is over at once."""
    preset = write_preset(tmp_path, objects=400, shard_size=50)
    words = ("run", "--preset", str(preset), "--store", "store", "--set", "evaluate.bootstrap.samples=50000")
    return lambda: start("-m", "opendlign", *words)


def stopped(terminal: Terminal, tell: Callable[[Terminal], None], took: list[float] | None = None) -> int:
    """Tell it to stop, once; returns its exit code after a look at what it leaves. How long it took goes to `took`."""
    family, told = terminal.family(), time.monotonic()
    tell(terminal)
    code = terminal.ended(SOON)
    if took is not None:
        took.append(time.monotonic() - told)
    until(lambda: not any(map(running, family)), "the children of a stopped run to end", SOON)
    assert terminal.shown.count(SAID) == 1
    assert "Traceback" not in terminal.shown
    return code


@pytest.mark.server
@pytest.mark.timeout(400)
def test_a_run_whose_engine_is_starting_stops(run: Callable[[], Terminal]) -> None:
    terminal = run()
    terminal.wait_for("Starting the engine ...")
    until(terminal.family, "the engine's server")
    assert stopped(terminal, Terminal.ctrl_c) == 130


@pytest.mark.server
@pytest.mark.timeout(400)
def test_one_that_is_terminated_takes_its_server_and_its_parsers_with_it(start: Start, tmp_path: Path) -> None:
    for index in range(600):
        path = tmp_path / "shapes" / "cube" / f"{index}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CUBE)
    terminal = start("-m", "opendlign", "ingest", "--source", "folder:shapes", "--store", "store")
    terminal.wait_for("Starting the engine ...")
    until(lambda: len(terminal.family()) > 1, "a server and a parser")
    assert stopped(terminal, Terminal.terminate) == 143


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(1800)
def test_a_run_stops_at_each_stage_and_the_next_one_continues(run: Callable[[], Terminal], tmp_path: Path) -> None:
    took = list[float]()
    for index, stage in enumerate(STAGES):
        terminal = run()
        terminal.wait_for("Starting the engine ...")
        terminal.shown = ""
        terminal.wait_for(f"{stage:<12}")
        tell, code = (Terminal.terminate, 143) if index % 2 else (Terminal.ctrl_c, 130)
        assert stopped(terminal, tell, took) == code, stage
    assert statistics.median(took) < PROMISED  # a busy machine may hold up one of them
    terminal = run()
    assert terminal.ended(600) == 0
    assert verify_store(open_store(tmp_path / "store")).sound


STUBBORN = """
import subprocess, sys, time
from opendlign import ending
ending.PATIENCE = float(sys.argv[1])
with ending.stoppable():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    said = "deaf"
    while True:
        try:
            print(said, flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            said = "again"
"""


@pytest.mark.parametrize(("tell", "code"), [(Terminal.ctrl_c, 130), (Terminal.terminate, 143)])
def test_what_does_not_stop_by_itself_is_ended(start: Start, tell: Callable[[Terminal], None], code: int) -> None:
    terminal = start("-c", STUBBORN, "0.2")
    terminal.wait_for("deaf")
    assert stopped(terminal, tell) == code


def test_a_second_ctrl_c_ends_at_once(start: Start) -> None:
    terminal = start("-c", STUBBORN, "600")
    terminal.wait_for("deaf")
    terminal.ctrl_c()
    terminal.wait_for("again")
    assert stopped(terminal, Terminal.ctrl_c) == 130


def test_the_first_stop_leaves_time_to_put_things_away(start: Start) -> None:
    program = STUBBORN.replace('said = "again"', "child.kill(); sys.exit('put away')")
    terminal = start("-c", program, "600")
    terminal.wait_for("deaf")
    terminal.terminate()
    assert terminal.ended(SOON) == 1
    assert "put away" in terminal.shown


def test_what_is_deaf_ends_within_five_seconds_of_one_signal(start: Start) -> None:
    took = list[float]()
    while not took or (min(took) >= PROMISED and len(took) < 3):  # a busy machine may hold up one of them
        terminal = start("-c", STUBBORN, str(PATIENCE))
        terminal.wait_for("deaf")
        assert stopped(terminal, Terminal.ctrl_c, took) == 130
    assert min(took) < PROMISED


INTERRUPTED = """
import os, sys
_, module, number, *words = sys.argv
class Interruption:
    def find_spec(self, name, path, target=None):
        if name == module:
            del sys.meta_path[0]
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Interruption())
from opendlign.main import main
sys.argv[1:] = words
main()
"""
"""A command that is told to stop when it is about to import a module."""


@pytest.mark.parametrize(
    ("module", "number", "code"),
    [
        ("opendlign.verbs", signal.SIGINT, 130),
        ("cyclopts", signal.SIGTERM, 143),
        ("numpy", signal.SIGINT, 130),
        ("flows.plan", signal.SIGINT, 130),
    ],
)
def test_a_start_is_stopped_wherever_it_is(start: Start, module: str, number: int, code: int) -> None:
    terminal = start("-c", INTERRUPTED, module, str(int(number)), "plan", "--store", "store")
    assert terminal.ended(SOON) == code
    assert terminal.shown.strip() == f"error: {SAID}"


def test_nothing_slow_is_imported_before_a_command_can_be_stopped() -> None:
    look = "import sys; before = set(sys.modules); import opendlign.main; print(*sorted(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    own = {"opendlign", "opendlign.ending", "opendlign.environment", "opendlign.main"}
    assert {name.partition(".")[0] for name in {*found} - own} <= sys.stdlib_module_names
