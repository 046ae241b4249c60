"""Runs that claim to be under way although nobody works on them: found, and marked Crashed.

The automation of `opendlign deploy` does this for runs that fall silent. It cannot see a run that died before its
first word, nor one whose server was down at the time; this looks at the processes and the workers themselves.
"""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.events.filters import EventFilter, EventOccurredFilter, EventResourceFilter
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

# A worker named `something@machine` tells where its runs live; Prefect itself keeps a run's process id alone.
AT = "@"

UNDER_WAY = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


def reconcile(client: SyncPrefectClient, silence: timedelta) -> Iterator[str]:
    """Mark dead runs Crashed, which frees their slots and lets them be retried; yields one line per run."""
    marked = True
    # A run that lived inside another one is seen to be dead once that one is marked.
    while marked:
        marked = False
        for run in _under_way(client):
            if reason := _cause_of_death(client, run, silence):
                client.set_flow_run_state(run.id, Crashed(message=reason), force=True)
                yield f"run {run.name} marked Crashed: {reason}"
                marked = True


def _under_way(client: SyncPrefectClient) -> list[FlowRun]:
    wanted = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(UNDER_WAY)))
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(state=wanted))


def worker_name(role: str) -> str:
    """A worker's name that says which machine it runs on."""
    return f"{role}{AT}{socket.gethostname()}"


def _cause_of_death(client: SyncPrefectClient, run: FlowRun, silence: timedelta) -> str:
    """Why a run must be dead; empty while it may live."""
    if run.deployment_id is None:
        return _parent_ended(client, run)
    worker, pid = str(run.labels.get("prefect.worker.name", "")), run.infrastructure_pid
    if pid and worker.endswith(f"{AT}{socket.gethostname()}"):
        # A process that has just ended may have told its result after the list was read.
        gone = not _is_run_process(int(pid)) and client.read_flow_run(run.id).state_type in UNDER_WAY
        return f"its process {pid} on this machine is gone" if gone else ""
    if run.state_type == StateType.PENDING and not pid:
        # A worker that dies here may not even have left its name, and may be back under it.
        return "" if _alive(client, run, silence) else f"no worker started it for {silence.total_seconds():.0f} s"
    return _worker_lost(client, run, worker, silence)


def _is_run_process(pid: int) -> bool:
    """Whether that process is a run: its number may have been given to something else since."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except OSError:
        return True
    return b"prefect" in words


def _parent_ended(client: SyncPrefectClient, run: FlowRun) -> str:
    if run.parent_task_run_id is None:
        return ""
    parent = client.read_task_run(run.parent_task_run_id).flow_run_id
    ended = parent is not None and client.read_flow_run(parent).state_type in TERMINAL_STATES
    return "the run whose process it shared has ended" if ended else ""


def _worker_lost(client: SyncPrefectClient, run: FlowRun, worker: str, silence: timedelta) -> str:
    """A worker may be lost and its run live on, so the run must have been silent as well."""
    if not worker or _online(client, run.work_pool_name or "", worker) or _alive(client, run, silence):
        return ""
    return f"worker {worker} is offline and the run said nothing for {silence.total_seconds():.0f} s"


def _alive(client: SyncPrefectClient, run: FlowRun, silence: timedelta) -> bool:
    """Whether the run changed its state or said anything in the last while."""
    since = datetime.now(UTC) - silence
    return run.state is None or run.state.timestamp >= since or _spoke(client, run, since)


def _online(client: SyncPrefectClient, pool: str, name: str) -> bool:
    try:
        workers = client.read_workers_for_work_pool(pool)
    except ObjectNotFound:
        return False
    return any(worker.name == name and worker.status == "ONLINE" for worker in workers)


def _spoke(client: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    about = EventResourceFilter(id=[f"prefect.flow-run.{run.id}"])
    page = client.read_events(EventFilter(occurred=EventOccurredFilter(since=since), resource=about), limit=1)
    return bool(page.events)
