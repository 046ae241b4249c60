"""Everything a Prefect server must know of the pipeline; running it twice changes nothing.

What a call leaves out stays as the server has it: deploying is also how dead runs are settled, by people who may not
know with which store, slots and schedules others deployed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import yaml
from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from opendlign.reconcile import reconcile
from storage.settings import get_settings
from tasks.registry import STAGES
from tasks.slots import GPU_LIMIT, gpu_slots

REGENERATE = "regenerate"
POOLS = {
    pool: tuple(stage.name for stage in STAGES if stage.pool == pool) + ((REGENERATE,) if pool == "cpu" else ())
    for pool in ("cpu", "gpu")
}
AUTOMATION = "opendlign-dead-runs"

# A run reports every 30 s; one C call may hold it back for minutes, so silence counts as death only after six reports.
SILENCE = timedelta(seconds=180)


def checkout() -> Path:
    """The repository that holds prefect.yaml, found from this file."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "prefect.yaml").is_file():
        raise FileNotFoundError("deploying needs a checkout with its prefect.yaml; install the package with -e")
    return root


def deploy_everything(
    store: str | None = None, api: str | None = None, gpus: int | None = None, silence: timedelta | None = None
) -> Iterator[str]:
    """Yield one line per thing made sure of.

    Args:
        store: What deployed runs use by default; else OPENDLIGN_STORE, what they use now, or `./store`.
        api: URL of the Prefect API; PREFECT_API_URL when empty.
        gpus: How many GPUs all workers have together; else as before, at first 1.
        silence: How long a run may say nothing before it counts as dead; else as before, at first `SILENCE`.

    Raises:
        ConnectionError: when no Prefect API answers.
    """
    address = api or os.environ.get("PREFECT_API_URL")
    if not address:
        raise ConnectionError("no Prefect API: set PREFECT_API_URL or use --api, or start one with `opendlign up`")
    # Prefect read its environment when it was imported.
    with temporary_settings({PREFECT_API_URL: address}):
        yield from _everything(store, address, gpus, silence)


def _everything(store: str | None, address: str, gpus: int | None, silence: timedelta | None) -> Iterator[str]:
    known = _known_automation()
    patience = silence or (_patience_of(known) if known else SILENCE)
    with get_client(sync_client=True) as client:
        store_url = _default_store(client, store)
        yield f"store {store_url}"
        yield from _pools(client)
        yield _limit(client, gpus)
        yield from reconcile(client, patience)
        yield _automation(known, patience)
        switched_on = _active_schedules(client)
        yield from _deployments(store_url, address)
        yield from _switch_on(client, switched_on)


def _default_store(client: SyncPrefectClient, wanted: str | None) -> str:
    settings = get_settings()
    if wanted is None and "store" not in settings.model_fields_set:
        try:
            wanted = client.read_deployment_by_name("ingest/ingest").parameters.get("store")
        except ObjectNotFound:
            wanted = None
    store_url = wanted or settings.store
    return store_url if store_url.startswith("s3://") else str(Path(store_url).expanduser().absolute())


def _pools(client: SyncPrefectClient) -> Iterator[str]:
    for pool, queues in POOLS.items():
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        for queue in queues:
            try:
                client.create_work_queue(name=queue, work_pool_name=pool)
            except ObjectAlreadyExists:
                continue
        yield f"work pool {pool} with queues {', '.join(queues)}"


def _limit(client: SyncPrefectClient, wanted: int | None) -> str:
    slots = wanted or gpu_slots()
    client.upsert_global_concurrency_limit_by_name(name=GPU_LIMIT, limit=slots)
    return f"concurrency limit {GPU_LIMIT}: {slots}"


def _known_automation() -> Automation | None:
    try:
        # Synchronous outside an event loop, whatever its annotation says.
        return cast("Automation", Automation.read(name=AUTOMATION))
    except ValueError:
        return None


def _patience_of(automation: Automation) -> timedelta:
    return automation.trigger.within if isinstance(automation.trigger, EventTrigger) else SILENCE


def _automation(existing: Automation | None, silence: timedelta) -> str:
    """A run that stops reporting is marked Crashed, which frees its slots and lets it be retried."""
    wanted = Automation(
        name=AUTOMATION,
        description="Marks runs Crashed whose process died without a word.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            after={"prefect.flow-run.heartbeat", "prefect.flow-run.Pending"},
            expect={"prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"no sign of life for {silence.seconds} s")],
    )
    if existing is None:
        wanted.create()
        return f"automation {AUTOMATION} created"
    existing.trigger, existing.actions, existing.description = wanted.trigger, wanted.actions, wanted.description
    existing.update()
    return f"automation {AUTOMATION}"


def _active_schedules(client: SyncPrefectClient) -> set[tuple[str, str]]:
    """Deployment and slug of every schedule that is on."""
    found = client.read_deployments()
    return {(known.name, item.slug) for known in found for item in known.schedules if item.active and item.slug}


def _switch_on(client: SyncPrefectClient, schedules: set[tuple[str, str]]) -> Iterator[str]:
    """Applying prefect.yaml replaces schedules by inactive ones; those that somebody switched on are so again."""
    for known in client.read_deployments():
        for schedule in known.schedules:
            if (known.name, schedule.slug) in schedules:
                client.update_deployment_schedule(known.id, schedule.id, active=True)
                yield f"schedule {schedule.slug} of {known.name} stays switched on"


def _deployments(store_url: str, address: str) -> Iterator[str]:
    environment = {
        **os.environ,
        "PREFECT_API_URL": address,
        "OPENDLIGN_STORE": store_url,
        "OPENDLIGN_CHECKOUT": str(checkout()),
    }
    with _complete_file() as path:
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", path.name]
        done = subprocess.run(command, cwd=checkout(), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"prefect deploy failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    for line in done.stdout.splitlines():
        if "successfully created" in line or "successfully updated" in line:
            yield line.strip(" │╭╮╰╯─")


@contextmanager
def _complete_file() -> Iterator[Path]:
    """prefect.yaml or, where stages were added that it does not name, a copy beside it that does."""
    shipped = checkout() / "prefect.yaml"
    described = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    lacking = [wanted for wanted in stage_deployments() if wanted["name"] not in _names(described)]
    if not lacking:
        yield shipped
        return
    job = next(known["work_pool"]["job_variables"] for known in described["deployments"])
    for wanted in lacking:
        wanted["work_pool"]["job_variables"] = job
    described["deployments"] += lacking
    with tempfile.NamedTemporaryFile("w", dir=shipped.parent, prefix=".prefect-", suffix=".yaml") as file:
        yaml.safe_dump(described, file)
        file.flush()
        yield Path(file.name)


def _names(described: dict[str, Any]) -> set[str]:
    return {known["name"] for known in described["deployments"]}


def stage_deployments() -> list[dict[str, Any]]:
    """The deployment of every stage, as prefect.yaml describes it."""
    return [
        {
            "name": stage.name,
            "entrypoint": f"flows/stages.py:{stage.name}",
            "description": stage.about,
            "tags": ["opendlign", stage.name, *(["gpu"] if stage.pool == "gpu" else [])],
            "parameters": {"store": "{{ $OPENDLIGN_STORE }}"},
            "work_pool": {"name": stage.pool, "work_queue_name": stage.name},
        }
        for stage in STAGES
    ]
