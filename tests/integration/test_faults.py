"""Break a stage in the middle, in every way that happens: the next run continues, and ends as if nothing had been."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Pending

from flows.preset import Preset
from storage.local import LocalStore
from storage.s3 import S3Store
from storage.store import Store
from tests.integration.harness import SOON, Orchestra, descendants, kill, running, until
from tests.integration.painting import STAGE, Painting, place
from tests.integration.stores import contents, finished, marks, records, shard_files

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def painting(orchestra: Orchestra, long: Preset, long_depths: LocalStore, tmp_path: Path) -> Painting:
    orchestra.worker("gpu", "gpu")
    return Painting.over(orchestra, long, long_depths, place(tmp_path))


def local(painting: Painting) -> LocalStore:
    assert isinstance(painting.store, LocalStore)
    return painting.store


def test_a_killed_flow_is_crashed_at_once_and_retried(orchestra: Orchestra, painting: Painting) -> None:
    run = painting.submit()
    engine, *_ = orchestra.pids(run)
    painting.midway()
    family = [engine, *descendants(engine)]
    for pid in family:
        kill(pid)
    before = marks(local(painting), STAGE)
    assert orchestra.finish(run, SOON) == StateType.CRASHED
    until(lambda: not any(running(pid) for pid in family), "helpers of the dead run to leave", SOON)
    retried = orchestra.retry(run)
    assert retried.run_count == 2
    assert marks(local(painting), STAGE).items() >= before.items()
    painting.assert_undisturbed()


def test_a_killed_worker_leaves_a_run_that_completes_or_says_that_it_crashed(
    orchestra: Orchestra, painting: Painting
) -> None:
    run = painting.start()
    orchestra.workers["gpu"].signal(signal.SIGKILL)
    found = orchestra.finish(run, SOON)
    before = marks(local(painting), STAGE)
    orchestra.worker("gpu", "gpu")
    if found != StateType.COMPLETED:
        orchestra.retry(run)
    assert marks(local(painting), STAGE).items() >= before.items()
    painting.assert_undisturbed()


def test_a_run_that_died_with_its_worker_is_found_by_deploying(orchestra: Orchestra, painting: Painting) -> None:
    run = painting.start()
    family = orchestra.pids(run)
    orchestra.workers["gpu"].signal(signal.SIGKILL)
    for pid in family:
        kill(pid)
    before = marks(local(painting), STAGE)
    assert orchestra.state(run) == StateType.RUNNING
    assert "marked Crashed: its process" in orchestra.call("opendlign", "deploy").stdout
    assert orchestra.state(run) == StateType.CRASHED
    orchestra.worker("gpu", "gpu")
    orchestra.retry(run)
    assert marks(local(painting), STAGE).items() >= before.items()
    painting.assert_undisturbed()


def test_a_run_that_its_worker_took_and_never_started_is_found(orchestra: Orchestra, tiny: Preset) -> None:
    """A worker marks a run Pending before it leaves its name on it."""
    ingest = orchestra.client.read_deployment_by_name("ingest/ingest")
    given = {"recipe": tiny.source.model_dump(mode="json")}
    run = orchestra.client.create_flow_run_from_deployment(ingest.id, parameters=given, state=Pending()).id
    assert orchestra.reconcile() == []
    until(lambda: orchestra.reconcile(silence=3), "the run to have been silent for long enough", SOON)
    assert orchestra.state(run) == StateType.CRASHED
    assert "no worker started it for 3 s" in str(orchestra.flow_run(run).state)


@pytest.mark.slow
def test_a_run_that_falls_silent_is_crashed_by_the_automation(orchestra: Orchestra, painting: Painting) -> None:
    orchestra.call("opendlign", "deploy", "--silence", "75")
    run = painting.start()
    family = orchestra.pids(run)
    orchestra.workers["gpu"].signal(signal.SIGKILL)
    for pid in family:
        kill(pid)
    assert orchestra.finish(run, 240) == StateType.CRASHED
    assert "no sign of life for 75 s" in str(orchestra.flow_run(run).state)
    orchestra.worker("gpu", "gpu")
    orchestra.complete(painting.submit())
    painting.assert_undisturbed()
    orchestra.call("opendlign", "deploy")


def test_a_worker_told_to_stop_takes_its_run_with_it(orchestra: Orchestra, painting: Painting) -> None:
    run = painting.start()
    family = orchestra.pids(run)
    orchestra.workers["gpu"].signal(signal.SIGTERM)
    until(lambda: not any(running(pid) for pid in family), "the run's processes to leave", SOON)
    assert not finished(painting.store, STAGE)
    orchestra.reconcile()
    assert orchestra.state(run) in (StateType.CRASHED, StateType.CANCELLED)
    orchestra.worker("gpu", "gpu")
    orchestra.retry(run)
    painting.assert_undisturbed()


def test_a_server_killed_and_started_again(
    orchestra: Orchestra, preset_file: Path, tmp_path: Path, reference: LocalStore
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    store = place(tmp_path)
    given = {"preset": str(preset_file), "store": store.url, "until": "synthesize"}
    run = orchestra.submit("regenerate/mini", **given)
    until(lambda: records(store, "ingest"), "a shard of the first stage", pause=0.02)
    orchestra.server.signal(signal.SIGKILL)
    orchestra.start_server()
    if orchestra.finish(run) != StateType.COMPLETED:
        orchestra.retry(run)
    orchestra.reconcile()
    assert contents(store) == contents(reference)
    # The deployment's one slot was taken when the server died; taken still, it would cancel this run.
    orchestra.complete(orchestra.submit("regenerate/mini", **given))


def test_cancelling_stops_the_work_and_leaves_a_store_to_continue_from(
    orchestra: Orchestra, painting: Painting
) -> None:
    run = painting.start()
    family = orchestra.pids(run)
    orchestra.cancel(run)
    until(lambda: not any(running(pid) for pid in family), "the work to stop", SOON)
    before = marks(local(painting), STAGE)
    assert orchestra.finish(run, SOON) == StateType.CANCELLED
    assert not finished(painting.store, STAGE)
    orchestra.complete(painting.submit())
    assert marks(local(painting), STAGE).items() >= before.items()
    painting.assert_undisturbed()


def chain_with_a_stage(orchestra: Orchestra, preset_file: Path, store: LocalStore) -> tuple[UUID, UUID]:
    """A distributed chain and the first of its stages, both under way."""
    orchestra.worker("cpu", "cpu", limit=4)
    run = orchestra.submit("regenerate/mini-distributed", preset=str(preset_file), store=store.url)
    (stage,) = until(lambda: [child for child in orchestra.unsettled() if child.id != run], "a stage to start")
    orchestra.pids(stage.id)
    return run, stage.id


def test_cancelling_a_chain_cancels_the_stage_it_waits_for(
    orchestra: Orchestra, preset_file: Path, tmp_path: Path
) -> None:
    run, stage = chain_with_a_stage(orchestra, preset_file, place(tmp_path))
    orchestra.cancel(run)
    assert orchestra.finish(run, SOON) == StateType.CANCELLED
    assert orchestra.finish(stage, SOON) == StateType.CANCELLED


def test_a_regression_fails_the_chain_that_waited_for_it(
    orchestra: Orchestra, preset_file: Path, finished_store: LocalStore
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    orchestra.worker("gpu", "gpu")
    (result,) = [info.key for info in finished_store.list("evaluate") if info.key.endswith("manifest.json")]
    judged = json.loads(finished_store.read(result))["summary"]["judged"]["procedural"]
    finished_store.delete(result)
    accepted = finished_store.path("accepted/tiny.json")
    accepted.parent.mkdir()
    rows = (f"procedural | training-free | {judged}", f"procedural | opendlign | {judged}")
    accepted.write_text(json.dumps({"fingerprint": "", "top1": dict.fromkeys(rows, 1.0)}))
    given = {"preset": str(preset_file), "store": finished_store.url}
    run = orchestra.submit("regenerate/mini-distributed", **given)
    assert orchestra.finish(run) == StateType.FAILED
    assert "fell from 100.0" in str(orchestra.flow_run(run).state)


def test_a_cancelled_stage_is_not_started_again_by_its_chain(
    orchestra: Orchestra, preset_file: Path, tmp_path: Path
) -> None:
    store = place(tmp_path)
    run, stage = chain_with_a_stage(orchestra, preset_file, store)
    orchestra.cancel(stage)
    assert orchestra.finish(run, SOON) == StateType.FAILED
    assert "is unfinished" in str(orchestra.flow_run(run).state)
    assert "Cancelled" in str(orchestra.flow_run(run).state)
    stages = [known for known in orchestra.client.read_flow_runs() if known.parameters.get("store") == store.url]
    assert {known.id for known in stages} == {run, stage}


def test_a_damaged_shard_is_found_removed_and_rebuilt_alone(orchestra: Orchestra, painting: Painting) -> None:
    store = local(painting)
    orchestra.complete(painting.submit())
    before = marks(store, STAGE)
    damaged, deleted = list(before)[3], list(before)[5]
    path = store.path(damaged)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    store.delete(deleted)
    assert orchestra.call("opendlign", "verify", store.url, check=False).returncode == 1
    told = orchestra.call("opendlign", "verify", store.url, "--repair").stdout
    for key in (damaged, deleted):
        assert f"removed: {key.split('.')[0]}.json" in told
    orchestra.complete(painting.submit())
    after = marks(store, STAGE)
    assert {key for key in before if after[key] != before[key]} == {damaged, deleted}
    painting.assert_undisturbed()


def test_a_shard_deleted_by_hand_is_rebuilt_alone(orchestra: Orchestra, painting: Painting) -> None:
    store = local(painting)
    orchestra.complete(painting.submit())
    before = marks(store, STAGE)
    record = records(store, STAGE)[4]
    (lost,) = [key for key in shard_files(store, STAGE) if key.startswith(record.removesuffix("json"))]
    for key in (lost, record, f"{record.rpartition('/')[0]}/manifest.json"):
        store.delete(key)
    orchestra.complete(painting.submit())
    after = marks(store, STAGE)
    assert {key for key in before if after[key] != before[key]} == {lost}
    painting.assert_undisturbed()


def test_an_unreachable_bucket_costs_time_alone(
    orchestra: Orchestra, long: Preset, long_depths: LocalStore, bucket: S3Store
) -> None:
    orchestra.worker("gpu", "gpu")
    painting = Painting.over(orchestra, long, long_depths, bucket)
    run = painting.start()
    orchestra.network.stop(signal.SIGKILL)
    assert orchestra.finish(run) == StateType.FAILED
    orchestra.network.start()
    done = set(shard_files(bucket, STAGE))
    assert done
    orchestra.retry(run)
    written = [line.partition(" ")[2] for line in orchestra.network.requests() if line.startswith("PUT ")]
    assert written
    assert not [path for path in written if any(path.partition("?")[0].endswith(key) for key in done)]
    painting.assert_undisturbed()


def test_a_full_disk_is_told_and_room_is_all_it_takes(
    orchestra: Orchestra, long: Preset, long_depths: LocalStore, small_disk: Path
) -> None:
    orchestra.worker("gpu", "gpu")
    ballast = small_disk / "ballast"
    painting = Painting.over(orchestra, long, long_depths, LocalStore(small_disk / "store"))
    statistics = os.statvfs(small_disk)
    room = sum(info.size for info in long_depths.list(STAGE)) // 2
    ballast.write_bytes(bytes(statistics.f_bavail * statistics.f_frsize - room))
    run = painting.submit()
    assert orchestra.finish(run) == StateType.FAILED
    assert "the disk is full" in str(orchestra.flow_run(run).state)
    store = local(painting)
    before = marks(store, STAGE)
    assert before
    ballast.unlink()
    orchestra.retry(run)
    assert marks(store, STAGE).items() >= before.items()
    painting.assert_undisturbed()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_the_same_deployment_twice_at_once_runs_once(
    orchestra: Orchestra, preset_file: Path, tmp_path: Path, reference: LocalStore
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    store = place(tmp_path)
    given = {"preset": str(preset_file), "store": store.url, "until": "synthesize"}
    first = orchestra.submit("regenerate/mini", **given)
    until(lambda: orchestra.state(first) == StateType.RUNNING, "the first run to start")
    second = orchestra.submit("regenerate/mini", **given)
    assert orchestra.finish(second) == StateType.CANCELLED
    orchestra.complete(first)
    assert contents(store) == contents(reference)


def test_a_killed_chain_frees_its_deployment_for_the_next_run(
    orchestra: Orchestra, preset_file: Path, tmp_path: Path, reference: LocalStore
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    store = place(tmp_path)
    given = {"preset": str(preset_file), "store": store.url, "until": "synthesize"}
    first = orchestra.submit("regenerate/mini", **given)
    until(lambda: records(store, "project"), "a shard of the second stage", pause=0.02)
    for pid in orchestra.pids(first):
        kill(pid)
    before = marks(store)
    assert orchestra.finish(first, SOON) == StateType.CRASHED
    orchestra.complete(orchestra.submit("regenerate/mini", **given))
    assert marks(store).items() >= before.items()
    assert contents(store) == contents(reference)
    # The stage that ran inside the killed process has nobody to speak for it.
    orchestra.reconcile()
    assert orchestra.unsettled() == []


@pytest.mark.slow
def test_workers_share_a_stage(orchestra: Orchestra, long: Preset, long_depths: LocalStore, bucket: Store) -> None:
    """Every put takes its time on this network, so that both are at work for a while."""
    shared = Painting.over(orchestra, long, long_depths, bucket)
    orchestra.worker("gpu", "gpu")
    orchestra.worker("gpu-1", "gpu")
    orchestra.network.reset()
    orchestra.network.fault("slow", times=100_000, method="PUT", seconds=1.0)
    try:
        runs = [shared.submit(part={"index": index, "count": 2}) for index in range(2)]
        first, second = (orchestra.complete(run, 600) for run in runs)
    finally:
        orchestra.network.reset()
        orchestra.workers.pop("gpu-1").stop()
    shared.assert_undisturbed()
    assert first.start_time is not None
    assert second.start_time is not None
    assert first.end_time is not None
    assert second.end_time is not None
    assert first.start_time < second.end_time, "one waited for the other"
    assert second.start_time < first.end_time, "one waited for the other"
