"""A Prefect server, its workers and an S3 server for tests: real processes on loopback, with a home of their own.

Everything is started in its own session and stopped by its process id, because the tests kill these processes too.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter
from prefect.states import Cancelling

from opendlign.local_service import wait_until_healthy
from opendlign.reconcile import reconcile, worker_name
from storage.settings import Settings
from tests.servers import ROOT, S3_KEY, S3_SECRET, FaultyProxy, S3Server, free_port

# The suite runs on two cores that may be busy with other tests: limits tell what hangs from what is slow.
PATIENCE = 240.0
SOON = 150.0
"""Less than the three minutes after which silence counts as death, so that somebody must have noticed."""
SETTLED = set(TERMINAL_STATES)
EPOCH = datetime.fromtimestamp(0, UTC)
PRIVATE = re.compile(r"PREFECT_|OPENDLIGN_|AWS_|DEBUG_MODE")


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE, pause: float = 0.2) -> Any:
    """Wait for a true value and return it; `what` names it in the failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(pause)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


@dataclass
class Daemon:
    """A child process in its own session, with a log."""

    words: list[str]
    environment: Mapping[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Daemon":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.words],
                env=dict(self.environment),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    @property
    def started(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None, f"{self.words} was never started"
        return self.process

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, how: signal.Signals) -> None:
        """End the process alone by a signal, and wait for it."""
        self.started.send_signal(how)
        self.started.wait(180)

    def stop(self) -> None:
        """End the process and whatever it started."""
        if self.process is None:
            return
        family = descendants(self.process.pid)
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        for pid in family:
            kill(pid)
        self.process.kill()
        self.process.wait(20)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Process ids of the children of a process, their children, and so on."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def running(pid: int) -> bool:
    """Whether a process lives; a zombie, which only waits to be noticed, does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def clean_environment(home: Path, checkout: Path = ROOT) -> dict[str, str]:
    """The environment of this process without anybody's settings of Prefect, the pipeline and AWS."""
    kept = {name: value for name, value in os.environ.items() if not PRIVATE.match(name)}
    return {
        **kept,
        "HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "OPENDLIGN_HOME": str(home / "opendlign"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "no-aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-aws-credentials"),
        "PYTHONPATH": str(checkout),
        "PYTHONWARNINGS": "ignore",
    }


def run_module(
    *words: str, environment: Mapping[str, str], seconds: float = 2 * PATIENCE, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m ...` in the checkout that the environment names; what fails is shown, where it must not."""
    ended = subprocess.run(
        [sys.executable, "-m", *words],
        env=environment,
        cwd=environment["PYTHONPATH"],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if check and ended.returncode:
        raise AssertionError(f"{' '.join(words)}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}"[-6000:])
    return ended


def published(client: SyncPrefectClient, run: UUID) -> dict[str, str]:
    """The artifacts of a run, by key."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    return {str(found.key): str(found.data) for found in client.read_artifacts(artifact_filter=of_run)}


def children(client: SyncPrefectClient, run: UUID) -> list[FlowRun]:
    """The runs that a run started, in its process or as deployments."""
    inside = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run]))
    return client.read_flow_runs(flow_run_filter=inside)


class Orchestra:
    """The server, the workers and the S3 server of a test session."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "logs").mkdir(parents=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.s3 = S3Server()
        self.network = FaultyProxy(self.s3.url)
        self.environment = {
            **clean_environment(home),
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_SERVER_UI_API_URL": f"{self.url}/api",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
            "OPENDLIGN_STORE": str(home / "store"),
            "OPENDLIGN_S3_ENDPOINT": self.network.url,
            "OPENDLIGN_S3_KEY": S3_KEY,
            "OPENDLIGN_S3_SECRET": S3_SECRET,
            "OPENDLIGN_S3_REGION": "us-east-1",
        }
        self.server = self._daemon("server", ["server", "start", "--host", "127.0.0.1", "--port", str(self.port)])
        self.workers: dict[str, Daemon] = {}
        self.client = SyncPrefectClient(f"{self.url}/api")

    def _daemon(self, name: str, words: list[str]) -> Daemon:
        return Daemon(["-m", "prefect", *words], self.environment, self.home / "logs" / f"{name}.log")

    def start(self) -> "Orchestra":
        self.s3.start()
        self.s3.create_bucket("bucket")
        self.network.start()
        self.start_server()
        return self

    def start_server(self) -> None:
        self.server.start()
        wait_until_healthy(self.url, 2 * PATIENCE)

    def stop(self) -> None:
        for daemon in (*self.workers.values(), self.server):
            daemon.stop()
        self.network.stop()
        self.s3.stop()

    def worker(self, name: str, pool: str, limit: int = 1) -> Daemon:
        """The running worker of that name; started, and waited for, where there is none."""
        if name not in self.workers or not self.workers[name].alive:
            words = ["worker", "start", "--pool", pool, "--name", worker_name(name), "--limit", str(limit)]
            self.workers[name] = self._daemon(name, words).start()
            until(lambda: self._polls(name, pool), f"worker {name}")
        return self.workers[name]

    def _polls(self, name: str, pool: str) -> bool:
        started = datetime.fromtimestamp(Path(f"/proc/{self.workers[name].started.pid}").stat().st_mtime, UTC)
        seen = {worker.name: worker.last_heartbeat_time for worker in self.client.read_workers_for_work_pool(pool)}
        return (seen.get(worker_name(name)) or EPOCH) >= started

    def reconcile(self, silence: float = 180) -> list[str]:
        """What `opendlign deploy` does about dead runs, by itself."""
        return list(reconcile(self.client, timedelta(seconds=silence)))

    def call(self, *words: str, seconds: float = 2 * PATIENCE, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`run_module` in the environment of this orchestra."""
        return run_module(*words, environment=self.environment, seconds=seconds, check=check)

    def submit(self, deployment: str, **parameters: Any) -> UUID:
        """Start a run of a deployment, such as `ingest/ingest`."""
        found = self.client.read_deployment_by_name(deployment)
        return self.client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def flow_run(self, run: UUID) -> FlowRun:
        return self.client.read_flow_run(run)

    def state(self, run: UUID) -> StateType | None:
        return self.flow_run(run).state_type

    def finish(self, run: UUID, seconds: float = PATIENCE) -> StateType:
        """Wait until a run has ended, however it ended."""
        until(lambda: self.state(run) in SETTLED, f"the end of {self.flow_run(run).name}", seconds)
        found = self.state(run)
        assert found is not None
        return found

    def complete(self, run: UUID, seconds: float = PATIENCE) -> FlowRun:
        """Wait for a run that must succeed."""
        found = self.finish(run, seconds)
        state = self.flow_run(run).state
        assert found == StateType.COMPLETED, f"{found}: {state.message if state else ''}\n{self.tail()}"
        return self.flow_run(run)

    def retry(self, run: UUID) -> FlowRun:
        """`prefect flow-run retry`, waited for.

        A worker of Prefect 3.8.8 that is asked to run the run it is still clearing away after stops altogether.
        """
        known = str(self.flow_run(run).labels.get("prefect.worker.name")).partition("@")[0]
        worker = self.workers.get(known)
        if worker is not None and worker.alive:
            with suppress(AssertionError):
                until(lambda: self._executed(run), "the worker to let go of a run", 20)
        self.call("prefect", "flow-run", "retry", str(run))
        return self.complete(run)

    def _executed(self, run: UUID) -> bool:
        name = EventNameFilter(name=["prefect.worker.executed-flow-run"])
        about = EventRelatedFilter(id=[f"prefect.flow-run.{run}"])
        return bool(self.client.read_events(EventFilter(event=name, related=about), limit=1).events)

    def cancel(self, run: UUID) -> None:
        self.client.set_flow_run_state(run, Cancelling())

    def pids(self, run: UUID) -> list[int]:
        """The process of a run and its descendants; waits until the worker has told its id."""
        pid = int(until(lambda: self.flow_run(run).infrastructure_pid, "the process id of a run"))
        return [pid, *descendants(pid)]

    def unsettled(self) -> list[FlowRun]:
        """Runs that claim to be under way."""
        kinds = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
        wanted = FlowRunFilterState(type=FlowRunFilterStateType(any_=kinds))
        return self.client.read_flow_runs(flow_run_filter=FlowRunFilter(state=wanted))

    def tail(self, characters: int = 3000) -> str:
        """The ends of the workers' logs, for failures."""
        logs = [self.home / "logs" / f"{name}.log" for name in self.workers]
        return "\n".join(log.read_text(errors="replace")[-characters:] for log in logs if log.exists())

    @property
    def settings(self) -> Settings:
        """Settings by which the tests themselves reach the S3 server, past the network's faults."""
        return Settings(
            s3_endpoint=self.s3.url, s3_key=S3_KEY, s3_secret=S3_SECRET, s3_region="us-east-1", _env_file=None
        )
