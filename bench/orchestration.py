"""What Prefect costs: time around the work of a stage of 30-second shards, a run with nothing to do, planning.

Work is what the tasks themselves note per shard, so overhead and work come from the same run, and loading the painter,
timing a batch ahead and every artifact count as overhead. A shard is put into the store while the next one is painted,
which counts twice as work: milliseconds, as the store is a local folder. The S3 server is moto on loopback, a single
Python process that shares these cores.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.objects import FlowRun
from pydantic import SecretStr

from bench.storage import IDENTITY, fill
from storage.local import LocalStore
from storage.output import StageOutput, plan_shards
from storage.s3 import S3Store
from storage.settings import Settings
from storage.store import Store
from tasks.shards import StagePlan, stage_seconds
from tests.integration.harness import Orchestra
from tests.integration.presets import tiny_recipes, write_preset
from tests.servers import S3_KEY, S3_SECRET, s3_server

SHARD_SECONDS = 30.0
SHARDS, QUICK_SHARDS = 5, 2
PLANNED, QUICK_PLANNED = 10_000, 200
PILOT = 30
RESULTS = Path(__file__).parent / "results" / "orchestration.json"


def stage_overhead(orchestra: Orchestra, folder: Path, shards: int, wanted: float) -> dict[str, Any]:
    """Paint `shards` shards that take about `wanted` seconds each, on a worker."""
    pace, _ = _paint(orchestra, folder / "pilot", PILOT, 1)
    work, run = _paint(orchestra, folder / "stage", max(1, round(PILOT * wanted / pace)), shards)
    inside = run.total_run_time.total_seconds()
    assert run.start_time is not None and run.end_time is not None and run.created is not None
    return {
        "shards": shards,
        "seconds_of_work_per_shard": round(work / shards, 1),
        "run_seconds": round(inside, 1),
        "overhead_percent": round(100 * (inside / work - 1), 2),
        "overhead_seconds_per_shard": round((inside - work) / shards, 2),
        "start_seconds": round((run.start_time - run.created).total_seconds(), 1),
    }


def _paint(orchestra: Orchestra, folder: Path, shard_size: int, shards: int) -> tuple[float, FlowRun]:
    """Seconds that the shards of one synthesize run took by themselves, and that run."""
    folder.mkdir(parents=True)
    recipes = tiny_recipes(shard_size * shards, shard_size) | {"project": {"base": "opendlign"}}
    path = folder / "stage.yaml"
    path.write_text(yaml.safe_dump(recipes), encoding="utf-8")
    store = LocalStore(folder / "store")
    given = {"preset": str(path), "store": store.url, "until": "synthesize", "distributed": True}
    orchestra.complete(orchestra.submit("regenerate/mini", **given), 3600)
    (run,) = [run for run in orchestra.client.read_flow_runs() if run.parameters.get("depths") and _of(run, store)]
    (output,) = {info.key.rpartition("/")[0] for info in store.list("synthesize")}
    return stage_seconds(store, output)[0], run


def _of(run: FlowRun, store: LocalStore) -> bool:
    return bool(run.parameters.get("store") == store.url)


def idle_run(orchestra: Orchestra, folder: Path) -> dict[str, float]:
    """A regeneration of what is already there: as a deployment on a worker, and from the command line."""
    path, place = write_preset(folder), str(folder / "idle")
    given = {"preset": str(path), "store": place}
    orchestra.complete(orchestra.submit("regenerate/mini", **given), 3600)
    waits, runs, commands = [], [], []
    for _ in range(3):
        started = time.perf_counter()
        run = orchestra.complete(orchestra.submit("regenerate/mini", **given))
        waits.append(time.perf_counter() - started)
        runs.append(run.total_run_time.total_seconds())
        started = time.perf_counter()
        orchestra.call("opendlign", "run", "--preset", str(path), "--store", place)
        commands.append(time.perf_counter() - started)
    return {
        "run_seconds": round(min(runs), 2),
        "submitted_to_completed_seconds": round(min(waits), 2),
        "command_line_seconds": round(min(commands), 2),
    }


def planning(store: Store, shards: int) -> dict[str, Any]:
    """Look at a stage with `shards` committed shards and no manifest, as every stage flow does first."""
    plan, output = plan_shards(shards * 1000, 1000), StageOutput(store, IDENTITY)
    fill(output, shards)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        assert StagePlan.look(output, plan).missing == ()
        times.append(time.perf_counter() - started)
    return {"shards": shards, "plan_seconds": round(min(times), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, and no result file")
    quick: bool = parser.parse_args().quick
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="opendlign-bench-") as scratch, s3_server() as s3:
        folder = Path(scratch)
        bucket = s3.create_bucket("bench")
        settings = Settings(s3_endpoint=s3.url, s3_key=SecretStr(S3_KEY), s3_secret=SecretStr(S3_SECRET))
        planned = QUICK_PLANNED if quick else PLANNED
        plans = {
            "local": planning(LocalStore(folder / "planned"), planned),
            "s3": planning(S3Store(bucket, settings), planned),
        }
        found = {"planning": plans, **_with_server(folder, quick)}
    found |= {
        "machine": f"{os.cpu_count()}-core {platform.machine()}",
        "load_average_at_start": load,
        "versions": {name: version(name) for name in ("prefect", "moto", "torch")},
    }
    print(json.dumps(found, indent=1))
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _with_server(folder: Path, quick: bool) -> dict[str, Any]:
    orchestra = Orchestra(folder / "home")
    try:
        orchestra.start()
        orchestra.call("opendlign", "deploy")
        orchestra.worker("cpu", "cpu", limit=4)
        orchestra.worker("gpu", "gpu")
        shards, wanted = (QUICK_SHARDS, 3.0) if quick else (SHARDS, SHARD_SECONDS)
        return {
            "stage": stage_overhead(orchestra, folder, shards, wanted),
            "nothing_to_do": idle_run(orchestra, folder),
        }
    finally:
        orchestra.stop()


if __name__ == "__main__":
    main()
