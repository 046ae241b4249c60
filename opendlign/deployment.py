"""Everything a Prefect server must know of the pipeline; running it twice changes nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.filesystems import LocalFileSystem, RemoteFileSystem

from opendlign.reconcile import reconcile
from storage.settings import Settings, get_settings
from tasks.slots import GPU_LIMIT

POOLS = {"cpu": ("ingest", "project", "evaluate", "regenerate"), "gpu": ("synthesize", "train")}
AUTOMATION = "opendlign-dead-runs"
RESULTS_BLOCK = "opendlign-results"

# A run reports every 30 s; one C call may hold it back for minutes, so silence counts as death only after six reports.
SILENCE = timedelta(seconds=180)


def checkout() -> Path:
    """The repository that holds prefect.yaml, found from this file."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "prefect.yaml").is_file():
        raise FileNotFoundError("deploying needs a checkout with its prefect.yaml; install the package with -e")
    return root


def deploy_everything(
    store: str | None = None, api: str | None = None, gpu_slots: int = 1, silence: timedelta = SILENCE
) -> Iterator[str]:
    """Yield one line per thing made sure of.

    Args:
        store: What deployed runs use by default.
        api: URL of the Prefect API; PREFECT_API_URL when empty.
        gpu_slots: How many GPUs all workers have together.
        silence: How long a run may say nothing before it counts as dead.

    Raises:
        ConnectionError: when no Prefect API answers.
    """
    settings = get_settings()
    place = _absolute(store or settings.store)
    address = api or os.environ.get("PREFECT_API_URL")
    if not address:
        raise ConnectionError("no Prefect API: set PREFECT_API_URL or use --api, or start one with `opendlign up`")
    os.environ["PREFECT_API_URL"] = address
    with get_client(sync_client=True) as client:
        yield from _pools(client)
        yield _limit(client, gpu_slots)
        yield from reconcile(client, silence)
    yield _automation(silence)
    block = _results_block(place, settings)
    yield f"results block {block}"
    yield from _deployments(place, address, block)


def _absolute(place: str) -> str:
    return place if place.startswith("s3://") else str(Path(place).expanduser().absolute())


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


def _limit(client: SyncPrefectClient, slots: int) -> str:
    client.upsert_global_concurrency_limit_by_name(name=GPU_LIMIT, limit=slots)
    return f"concurrency limit {GPU_LIMIT}: {slots}"


def _automation(silence: timedelta) -> str:
    """A run that stops reporting is marked Crashed, which frees its slots and lets it be retried."""
    wanted = Automation(
        name=AUTOMATION,
        description="Marks runs Crashed whose process died without a word.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"no sign of life for {silence.seconds} s")],
    )
    try:
        # Synchronous outside an event loop, whatever its annotation says.
        existing = cast("Automation", Automation.read(name=AUTOMATION))
    except ValueError:
        wanted.create()
        return f"automation {AUTOMATION} created"
    existing.trigger, existing.actions, existing.description = wanted.trigger, wanted.actions, wanted.description
    existing.update()
    return f"automation {AUTOMATION}"


def _results_block(place: str, settings: Settings) -> str:
    """Where Prefect keeps the small results of tasks: in the same store as everything else."""
    if not place.startswith("s3://"):
        LocalFileSystem(basepath=f"{place}/prefect-results").save(RESULTS_BLOCK, overwrite=True)
        return f"local-file-system/{RESULTS_BLOCK}"
    options = {"endpoint_url": settings.s3_endpoint} if settings.s3_endpoint else {}
    # Credentials stay out of the block: each worker's own environment provides them.
    RemoteFileSystem(basepath=f"{place}/prefect-results", settings=options).save(RESULTS_BLOCK, overwrite=True)
    return f"remote-file-system/{RESULTS_BLOCK}"


def _deployments(place: str, address: str, block: str) -> Iterator[str]:
    environment = {
        **os.environ,
        "PREFECT_API_URL": address,
        "OPENDLIGN_STORE": place,
        "OPENDLIGN_CHECKOUT": str(checkout()),
        "OPENDLIGN_RESULTS_BLOCK": block,
    }
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "prefect.yaml"]
    done = subprocess.run(command, cwd=checkout(), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"prefect deploy failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    for line in done.stdout.splitlines():
        if "successfully created" in line or "successfully updated" in line:
            yield line.strip(" │╭╮╰╯─")
