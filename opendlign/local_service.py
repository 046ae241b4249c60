"""A Prefect server and its workers on this machine, started together and stopped by their process ids."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect.settings import PREFECT_SERVER_API_AUTH_STRING

from opendlign.reconcile import worker_name
from opendlign_core.errors import BadInput
from storage.settings import SECRETS, get_settings

START_SECONDS = 120
STOP_SECONDS = 20
CPU_RUNS = 4
"""Runs a CPU worker takes at once: a regeneration waits for its stages, which need room beside it."""


@dataclass(frozen=True)
class Service:
    url: str
    logs: Path
    processes: dict[str, int]
    locked: bool = False
    """Whether the server asks its clients for a password."""


def start_service(*, port: int = 4200, store: str | None = None, gpus: int | None = None) -> Service:
    """Start server and workers, deploy everything, and return where they are.

    Raises:
        BadInput: when a service runs already, or the port is taken.
        TimeoutError: when the server does not answer, or ends while it starts.
        RuntimeError: when deploying fails. Whatever was started is stopped again.
    """
    home = service_home()
    if any(_alive(pid, name) for name, pid in _recorded(home).items()):
        raise BadInput(f"a service is already running (see {home / 'service.json'}); stop it with `opendlign down`")
    _require_free(port)
    url = f"http://127.0.0.1:{port}"
    environment = _environment(url, store)
    devices = _devices(gpus)
    service = Service(url, home / "logs", {}, locked="PREFECT_API_AUTH_STRING" in _password())
    try:
        _spawn(service, home, "server", ["server", "start", "--host", "127.0.0.1", "--port", str(port)], environment)
        _wait_for_server(service)
        _deploy(environment, service.logs, len(devices))
        _workers(service, home, environment, devices)
    except BaseException:
        stop_service()
        raise
    return service


def stop_service() -> list[str]:
    """Stop workers, then the server; returns the names of what was running."""
    home = service_home()
    stopped = []
    recorded = _recorded(home)
    for name in sorted(recorded, key=lambda name: name == "server"):
        if _alive(recorded[name], name):
            _stop(recorded[name])
            stopped.append(name)
    (home / "service.json").unlink(missing_ok=True)
    return stopped


def service_home() -> Path:
    home = Path(get_settings().home).expanduser()
    (home / "logs").mkdir(parents=True, exist_ok=True)
    return home


def wait_until_healthy(url: str, seconds: float = START_SECONDS, alive: Callable[[], bool] = lambda: True) -> None:
    """Return once the API answers; its health is told to anybody, also where it asks for a password.

    Raises:
        TimeoutError: when it does not within that time, or its process is no longer alive.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        try:
            with urllib.request.urlopen(f"{url}/api/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    why = f"did not answer within {seconds:.0f} s" if alive() else "ended while it was starting"
    raise TimeoutError(f"the Prefect server at {url} {why}")


def _wait_for_server(service: Service) -> None:
    try:
        wait_until_healthy(service.url, alive=lambda: _running(service.processes["server"]))
    except TimeoutError as error:
        raise TimeoutError(f"{error}; see {service.logs / 'server.log'}") from error


def _environment(url: str, store: str | None) -> dict[str, str]:
    store_url = store or get_settings().store
    environment = {
        **os.environ,
        "PREFECT_API_URL": f"{url}/api",
        # On any port but 4200 the UI needs to be told where its API is.
        "PREFECT_SERVER_UI_API_URL": f"{url}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
        # Held in memory, as by default, the leases of a killed server would be forgotten and their slots stay taken.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        **_password(),
        **_settings_variables(),
        "OPENDLIGN_STORE": _absolute(store_url),
    }
    environment.pop("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", None)
    return environment


def _password() -> dict[str, str]:
    """What the server is to ask its clients for, from wherever Prefect's settings are kept, said to both sides."""
    secret = PREFECT_SERVER_API_AUTH_STRING.value()
    return {"PREFECT_SERVER_API_AUTH_STRING": secret, "PREFECT_API_AUTH_STRING": secret} if secret else {}


def _absolute(store_url: str) -> str:
    """A run's process starts in another folder, where a relative path means another store."""
    return store_url if store_url.startswith("s3://") else str(Path(store_url).expanduser().absolute())


def _settings_variables() -> dict[str, str]:
    """Every setting as a variable: a run's process starts in another folder, where this one's `.env` is not found."""
    found: dict[str, str] = {}
    for name, value in get_settings():
        if value is not None:
            found[f"OPENDLIGN_{name.upper()}"] = value.get_secret_value() if name in SECRETS else str(value)
    return found


def _workers(service: Service, home: Path, environment: dict[str, str], devices: Sequence[str]) -> None:
    cpu = ["worker", "start", "--pool", "cpu", "--name", worker_name("cpu-0"), "--limit", str(CPU_RUNS)]
    _spawn(service, home, "cpu-0", cpu, environment)
    for index, device in enumerate(devices):
        command = ["worker", "start", "--pool", "gpu", "--name", worker_name(f"gpu-{index}"), "--limit", "1"]
        _spawn(service, home, f"gpu-{index}", command, {**environment, "CUDA_VISIBLE_DEVICES": device})


def _spawn(service: Service, home: Path, name: str, words: list[str], environment: dict[str, str]) -> None:
    # Its own session: a worker started in a shell's background would ignore the signal that stops it.
    with (service.logs / f"{name}.log").open("ab") as log:
        command = [sys.executable, "-m", "prefect", *words]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    service.processes[name] = process.pid
    (home / "service.json").write_text(json.dumps(service.processes), encoding="utf-8")


def _deploy(environment: dict[str, str], logs: Path, gpus: int) -> None:
    words = ["deploy", "--store", environment["OPENDLIGN_STORE"], "--gpus", str(max(gpus, 1))]
    command = [sys.executable, "-m", "opendlign", *words]
    with (logs / "deploy.log").open("ab") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
    if done.returncode:
        raise RuntimeError(f"deploying failed; see {logs / 'deploy.log'}")


def _stop(pid: int) -> None:
    os.killpg(pid, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end and _running(pid):
        time.sleep(0.2)
    if _running(pid):
        os.killpg(pid, signal.SIGKILL)


def _recorded(home: Path) -> dict[str, int]:
    try:
        found: dict[str, int] = json.loads((home / "service.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _alive(pid: int, name: str) -> bool:
    """Whether that process is still ours: its number may have been given to another since."""
    if not _running(pid):
        return False
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return b"prefect" in words and (b"server" if name == "server" else name.encode()) in words


def _running(pid: int) -> bool:
    try:
        finished, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        finished = 0
    if finished:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadInput(f"port {port} is taken; choose another with --port") from error


def _devices(wanted: int | None) -> list[str]:
    """What each GPU worker gets as its CUDA_VISIBLE_DEVICES: workers beyond the GPUs share them, or use the CPU."""
    visible = _visible_gpus()
    count = len(visible) if wanted is None else wanted
    return list(itertools.islice(itertools.cycle(visible or [""]), count))


def _visible_gpus() -> list[str]:
    """GPUs of this machine that this process may use, without importing torch for it."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    present = [str(index) for index in range(sum(line.startswith("GPU ") for line in listed.stdout.splitlines()))]
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None or not present:
        return present
    # As CUDA reads it: a list of numbers or ids that ends at the first that is none.
    words = [word.strip() for word in allowed.split(",")]
    return list(itertools.takewhile(lambda word: word not in ("", "-1"), words))
