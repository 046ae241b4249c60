"""What `opendlign up` starts, for tests: behind a password, from a checkout that has one more stage than ours."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient

from tests.integration.harness import clean_environment, run_module
from tests.servers import ROOT, free_port

PASSWORD = "operator:secret-of-the-suite"
PRODUCT = ("flows", "tasks", "storage", "opendlign_core", "opendlign")

NEW_STAGE = Path(__file__).with_name("count.py")


@dataclass(frozen=True)
class Service:
    """A running service: server, a CPU and a GPU worker, every deployment."""

    home: Path
    url: str
    store: str
    told: str
    """What `up` printed."""
    environment: dict[str, str]
    """Of its operator, who knows the password."""

    @property
    def stranger(self) -> dict[str, str]:
        """The environment of somebody on the same machine who does not."""
        return {name: value for name, value in self.environment.items() if not name.endswith("API_AUTH_STRING")}

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by name; none once it is down."""
        told = self.home / "opendlign" / "service.json"
        found: dict[str, int] = json.loads(told.read_text()) if told.exists() else {}
        return found

    @property
    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(f"{self.url}/api", auth_string=PASSWORD)


def start(home: Path) -> Service:
    port, store = free_port(), str(home / "store")
    asked = {
        **clean_environment(home, grown_checkout(home / "checkout")),
        "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    words = ("opendlign", "up", "--port", str(port), "--gpus", "1", "--store", store)
    told = run_module(*words, environment=asked).stdout
    url = f"http://127.0.0.1:{port}"
    knowing = {"PREFECT_API_URL": f"{url}/api", "PREFECT_API_AUTH_STRING": PASSWORD, "OPENDLIGN_STORE": store}
    return Service(home, url, store, told, {**asked, **knowing})


def grown_checkout(place: Path) -> Path:
    """A copy of the product with one more stage: a file of its own, and its name in the tuple of stages."""
    for package in PRODUCT:
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("prefect.yaml", "pyproject.toml"):
        shutil.copy(ROOT / file, place)
    shutil.copy(NEW_STAGE, place / "tasks")
    registry = place / "tasks" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    named = text.replace(", EVALUATE)", ", EVALUATE, COUNT)").replace(
        "from tasks.dlign import", "from tasks.count import COUNT\nfrom tasks.dlign import"
    )
    assert named.count("COUNT") == text.count("COUNT") + 2
    registry.write_text(named, encoding="utf-8")
    return place
