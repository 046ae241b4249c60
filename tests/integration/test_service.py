"""The whole chain on a real server: deployed twice, run, run again with nothing to do, run with one field changed."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows.preset import Preset
from storage.local import LocalStore
from storage.s3 import S3Store
from tasks.slots import GPU_LIMIT
from tests.integration.harness import Orchestra, until
from tests.integration.stores import contents, marks, records
from tests.servers import S3_KEY, S3_SECRET

DEPLOYMENTS = {
    "ingest/ingest",
    "project/project",
    "synthesize/synthesize",
    "dlign/dlign",
    "train/train",
    "evaluate/evaluate",
    "regenerate/mini",
    "regenerate/mini-distributed",
    "regenerate/vit-h-14",
}


def post(orchestra: Orchestra, path: str, body: Mapping[str, object]) -> list[dict[str, object]]:
    request = urllib.request.Request(
        f"{orchestra.url}/api/{path}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[dict[str, object]] = json.loads(answer.read())
        return found


def test_the_server_takes_the_null_fields_that_its_clients_send(orchestra: Orchestra) -> None:
    assert len(post(orchestra, "deployments/filter", {"limit": None, "deployments": None})) == len(DEPLOYMENTS)


def test_deploying_again_changes_nothing(orchestra: Orchestra) -> None:
    def known() -> dict[str, list[str]]:
        kinds = ("deployments", "work_pools", "automations", "block_documents", "v2/concurrency_limits")
        return {kind: sorted(str(row["id"]) for row in post(orchestra, f"{kind}/filter", {})) for kind in kinds}

    before = known()
    told = orchestra.call("opendlign", "deploy").stdout
    assert known() == before
    assert {len(rows) for rows in before.values()} >= {1, 2, len(DEPLOYMENTS)}
    for name in DEPLOYMENTS:
        assert f"'{name}' successfully" in told
    assert "automation opendlign-dead-runs" in told


def test_deploying_keeps_what_it_is_not_told(orchestra: Orchestra) -> None:
    """As somebody who settles a dead run does it: on another shell, without the settings of whoever deployed first."""
    mini = orchestra.client.read_deployment_by_name("regenerate/mini")
    store = mini.parameters["store"]
    orchestra.call("opendlign", "deploy", "--gpus", "3", "--silence", "240", "--store", f"{store}-of-others")
    orchestra.client.update_deployment_schedule(mini.id, mini.schedules[0].id, active=True)
    bare = [name for name in ("PREFECT_API_URL", "OPENDLIGN_STORE") if orchestra.environment.get(name)]
    kept = {name: orchestra.environment.pop(name) for name in bare}
    try:
        told = orchestra.call("opendlign", "deploy", "--api", f"{orchestra.url}/api").stdout
    finally:
        orchestra.environment |= kept
    try:
        mini = orchestra.client.read_deployment_by_name("regenerate/mini")
        assert mini.parameters["store"] == f"{store}-of-others"
        assert [schedule.active for schedule in mini.schedules] == [True]
        assert "schedule nightly of mini stays switched on" in told
        assert orchestra.client.read_global_concurrency_limit_by_name(GPU_LIMIT).limit == 3
        assert '"within": 240' in json.dumps(post(orchestra, "automations/filter", {}))
    finally:
        orchestra.client.update_deployment_schedule(mini.id, mini.schedules[0].id, active=False)
        orchestra.call("opendlign", "deploy", "--gpus", "1", "--silence", "180")


def test_the_command_line_lists_the_deployments(orchestra: Orchestra) -> None:
    listed = json.loads(orchestra.call("prefect", "deployment", "ls", "--output", "json").stdout)
    assert {row["name"] for row in listed} == {name.rpartition("/")[2] for name in DEPLOYMENTS}


def test_stages_on_their_own_pools_give_the_bytes_of_one_process(
    orchestra: Orchestra, reference: LocalStore, preset_file: Path, tmp_path: Path
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    orchestra.worker("gpu", "gpu")
    store = LocalStore(tmp_path / "distributed")
    given = [f"preset={preset_file}", f"store={store.url}"]
    parameters = [word for pair in given for word in ("--param", pair)]
    orchestra.client.upsert_global_concurrency_limit_by_name(GPU_LIMIT, 2)
    try:
        words = ("deployment", "run", "regenerate/mini-distributed", *parameters, "--watch")
        orchestra.call("prefect", *words, seconds=600)
    finally:
        orchestra.client.upsert_global_concurrency_limit_by_name(GPU_LIMIT, 1)
    assert contents(store) == contents(reference)
    assert same_numbers(store, reference)
    runs = [run.parameters for run in orchestra.client.read_flow_runs() if run.parameters.get("store") == store.url]
    # Painting is split into as many parts as there are GPU slots.
    assert [given["part"]["index"] for given in runs if "depths" in given] in ([0, 1], [1, 0])


def same_numbers(store: LocalStore, other: LocalStore) -> bool:
    """Whether two stores hold the same benchmark results."""
    found = [
        sorted(info.key for info in place.list("evaluate") if "/results." in info.key) for place in (store, other)
    ]
    return found[0] == found[1] and len(found[0]) == 1


def test_a_run_with_nothing_to_do_says_what_it_checked(
    orchestra: Orchestra, reference: LocalStore, preset_file: Path
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    run = orchestra.complete(orchestra.submit("regenerate/mini", preset=str(preset_file), store=reference.url))
    assert run.total_run_time.total_seconds() < 30
    assert run.name.startswith("tiny regenerate ")
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(run.id)]}, "key": {"any_": ["regenerate-summary"]}}}
    (summary,) = until(lambda: post(orchestra, "artifacts/filter", wanted), "the summary")
    text = str(summary["data"])
    assert "Nothing to do" in text
    for stage in ("ingest", "project", "synthesize", "train", "evaluate"):
        assert f"`{stage}/" in text
        assert f"/artifacts/key/{stage}-" in text


def test_a_changed_field_reruns_only_what_depends_on_it(
    orchestra: Orchestra, finished_store: LocalStore, preset_file: Path, tiny: Preset
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    before = marks(finished_store, "ingest", "project", "synthesize", "tokens")
    planned = orchestra.call(
        "opendlign", "plan", "--preset", str(preset_file), "--store", finished_store.url, "--set", "train.epochs=1"
    ).stdout
    assert planned.count("stale") == 2
    assert "recipe.epochs: 2 -> 1" in planned
    given = {"preset": str(preset_file), "store": finished_store.url, "changes": ["train.epochs=1"]}
    run = orchestra.complete(orchestra.submit("regenerate/mini", **given))
    assert marks(finished_store, "ingest", "project", "synthesize", "tokens") == before
    assert len({info.key.split("/")[1] for info in finished_store.list("train")}) == 2
    wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [str(run.id)]}}}
    names = sorted(str(row["name"]).split()[1] for row in post(orchestra, "flow_runs/filter", wanted))
    assert names == ["evaluate", "ingest", "project", "synthesize", "train"]


@pytest.mark.slow
def test_a_bucket_can_be_the_store_of_all_deployments(orchestra: Orchestra, bucket: S3Store, tiny: Preset) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    orchestra.call("opendlign", "deploy", "--store", bucket.url)
    try:
        blocks = json.dumps(post(orchestra, "block_documents/filter", {"include_secrets": True}))
        assert S3_SECRET not in blocks and S3_KEY not in blocks
        recipe = tiny.source.model_dump(mode="json")
        orchestra.complete(orchestra.submit("ingest/ingest", recipe=recipe))
    finally:
        orchestra.call("opendlign", "deploy")
    assert len(records(bucket, "ingest")) == 5
    assert {info.key.partition("/")[0] for info in bucket.list()} == {"ingest", "timings"}
