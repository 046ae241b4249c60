"""Kill processes at random moments of the whole chain, again and again: nothing is lost and nothing is made twice.

OPENDLIGN_SOAK_KILLS says how many kills; the default keeps the suite short.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from prefect.exceptions import ObjectNotFound

from storage.local import LocalStore
from tests.integration.harness import SETTLED, Orchestra, descendants, kill, until
from tests.integration.stores import contents, finished

KILLS = int(os.environ.get("OPENDLIGN_SOAK_KILLS", "6"))
SEED = int(os.environ.get("OPENDLIGN_SOAK_SEED", "1"))
LONGEST_PAUSE = 12.0
SERVER_SHARE = 0.04
WORKER_SHARE = 0.2


class Soak:
    """One store after another is filled while processes die; each must end like the undisturbed one."""

    def __init__(self, orchestra: Orchestra, preset: Path, reference: LocalStore, folder: Path) -> None:
        self.orchestra, self.preset, self.reference, self.folder = orchestra, preset, reference, folder
        self.moment = random.Random(SEED)
        self.killed: Counter[str] = Counter()
        self.rounds = 0

    def run(self, kills: int) -> None:
        while self.killed.total() < kills:
            self.rounds += 1
            store = LocalStore(self.folder / f"store-{self.rounds}")
            while not finished(store, "evaluate"):
                self._disturb(store, self._regenerate(store), kills)
            self.calm(store)

    def calm(self, store: LocalStore) -> None:
        """Let a last run find nothing to do, and compare."""
        until(self._settled, "every run to settle", 300, 2.0)
        self.orchestra.complete(self._regenerate(store))
        assert contents(store) == contents(self.reference)
        assert results(store) == results(self.reference)

    def _settled(self) -> bool:
        self._recover()
        return not self.orchestra.unsettled()

    def _regenerate(self, store: LocalStore) -> UUID:
        return self.orchestra.submit("regenerate/mini-distributed", preset=str(self.preset), store=store.url)

    def _disturb(self, store: LocalStore, run: UUID, kills: int) -> None:
        """Kill now and then until that run has ended."""
        while self.orchestra.state(run) not in SETTLED:
            next_kill = time.monotonic() + self.moment.uniform(0, LONGEST_PAUSE)
            while time.monotonic() < next_kill and self.orchestra.state(run) not in SETTLED:
                time.sleep(0.2)
            if self.killed.total() < kills:
                self._kill_one()
            self._recover()

    def _kill_one(self) -> None:
        dice = self.moment.random()
        if dice < SERVER_SHARE:
            self.orchestra.server.signal(signal.SIGKILL)
            self.orchestra.start_server()
            self._count("server")
        elif dice < SERVER_SHARE + WORKER_SHARE:
            name = self.moment.choice(["cpu", "gpu"])
            self.orchestra.workers[name].signal(signal.SIGKILL)
            self._count(f"{name} worker")
        elif engines := self._engines():
            stage = self.moment.choice(sorted(engines))
            for pid in engines[stage]:
                kill(pid)
            self._count(stage)

    def _count(self, victim: str) -> None:
        self.killed[victim] += 1
        print(f"kill {self.killed.total()}: {victim}", flush=True)

    def _engines(self) -> dict[str, list[int]]:
        """The processes of runs, by their stage."""
        found: dict[str, list[int]] = {}
        for run in self.orchestra.unsettled():
            pid = int(run.infrastructure_pid or 0)
            if pid and run.deployment_id and Path(f"/proc/{pid}").exists():
                stage = self.orchestra.client.read_flow(run.flow_id).name
                found.setdefault(stage, []).extend([pid, *descendants(pid)])
        return found

    def _recover(self) -> None:
        """What an operator does: restart what is gone, mark what is dead."""
        self.orchestra.worker("cpu", "cpu", limit=4)
        self.orchestra.worker("gpu", "gpu")
        with suppress(ObjectNotFound):
            self.orchestra.reconcile()


def results(store: LocalStore) -> list[str]:
    """Name (and so the digest) of the benchmark's numbers."""
    return [info.key for info in store.list("evaluate") if "/results." in info.key]


@pytest.mark.slow
@pytest.mark.timeout(120 + 120 * KILLS)
def test_random_kills_over_all_stages(
    orchestra: Orchestra, reference: LocalStore, preset_file: Path, tmp_path: Path
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    orchestra.worker("gpu", "gpu")
    soak = Soak(orchestra, preset_file, reference, tmp_path)
    started = time.monotonic()
    soak.run(KILLS)
    assert soak.killed.total() >= KILLS
    summary = {"kills": dict(soak.killed), "chains": soak.rounds, "seconds": round(time.monotonic() - started)}
    print(json.dumps(summary))
