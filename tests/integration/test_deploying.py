"""Deploying more than once: what is there stays what it is, and what a call does not say stays as others said it.

As somebody who settles a dead run does it: on another shell, without the settings of whoever deployed first.
"""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from flows.preset import Preset
from storage.s3 import S3Store
from tasks.registry import STAGES
from tasks.slots import GPU_LIMIT
from tests.integration.harness import Orchestra, run_module
from tests.integration.stores import records
from tests.servers import S3_KEY, S3_SECRET

DEPLOYMENTS = {
    *(f"{stage.name}/{stage.name}" for stage in STAGES),
    "regenerate/mini",
    "regenerate/mini-distributed",
    "regenerate/vit-h-14",
}
KINDS = ("deployments", "work_pools", "automations", "block_documents", "v2/concurrency_limits")
STORE = "s3://bucket/of-others"


def post(orchestra: Orchestra, path: str, body: Mapping[str, object]) -> list[dict[str, object]]:
    """As the server's own clients ask, which send fields that are null."""
    request = urllib.request.Request(
        f"{orchestra.url}/api/{path}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[dict[str, object]] = json.loads(answer.read())
        return found


def known(orchestra: Orchestra) -> dict[str, list[str]]:
    """The ids of everything that deploying makes."""
    return {kind: sorted(str(row["id"]) for row in post(orchestra, f"{kind}/filter", {})) for kind in KINDS}


@dataclass(frozen=True)
class Redeployed:
    before: dict[str, list[str]]
    told: str
    """What the last call printed, which said nothing but where the server is."""


@pytest.fixture(scope="module")
def redeployed(orchestra: Orchestra) -> Iterator[Redeployed]:
    """Deployed by others for a store, slots and patience of their own, with a schedule on; then once more."""
    before = known(orchestra)
    orchestra.call("opendlign", "deploy", "--gpus", "3", "--silence", "240", "--store", STORE)
    mini = orchestra.client.read_deployment_by_name("regenerate/mini")
    orchestra.client.update_deployment_schedule(mini.id, mini.schedules[0].id, active=True)
    bare = {
        name: value
        for name, value in orchestra.environment.items()
        if name not in ("PREFECT_API_URL", "OPENDLIGN_STORE")
    }
    told = run_module("opendlign", "deploy", "--api", f"{orchestra.url}/api", environment=bare).stdout
    yield Redeployed(before, told)
    mini = orchestra.client.read_deployment_by_name("regenerate/mini")
    orchestra.client.update_deployment_schedule(mini.id, mini.schedules[0].id, active=False)
    orchestra.call("opendlign", "deploy", "--gpus", "1", "--silence", "180")


def test_the_server_takes_the_null_fields_that_its_clients_send(orchestra: Orchestra) -> None:
    assert len(post(orchestra, "deployments/filter", {"limit": None, "deployments": None})) == len(DEPLOYMENTS)


def test_the_command_line_lists_the_deployments(orchestra: Orchestra) -> None:
    listed = json.loads(orchestra.call("prefect", "deployment", "ls", "--output", "json").stdout)
    assert {row["name"] for row in listed} == {name.rpartition("/")[2] for name in DEPLOYMENTS}


def test_deploying_again_makes_nothing_twice(orchestra: Orchestra, redeployed: Redeployed) -> None:
    assert known(orchestra) == redeployed.before
    assert {len(rows) for rows in redeployed.before.values()} >= {1, 2, len(DEPLOYMENTS)}
    for name in DEPLOYMENTS:
        assert f"'{name}' successfully" in redeployed.told
    assert "automation opendlign-dead-runs" in redeployed.told


def test_deploying_keeps_what_it_is_not_told(orchestra: Orchestra, redeployed: Redeployed) -> None:
    mini = orchestra.client.read_deployment_by_name("regenerate/mini")
    assert mini.parameters["store"] == STORE
    assert [schedule.active for schedule in mini.schedules] == [True]
    assert "schedule nightly of mini stays switched on" in redeployed.told
    assert orchestra.client.read_global_concurrency_limit_by_name(GPU_LIMIT).limit == 3
    assert '"within": 240' in json.dumps(post(orchestra, "automations/filter", {}))


@pytest.mark.usefixtures("redeployed")
def test_a_bucket_can_be_the_store_of_all_deployments(orchestra: Orchestra, tiny: Preset) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    blocks = json.dumps(post(orchestra, "block_documents/filter", {"include_secrets": True}))
    assert S3_SECRET not in blocks and S3_KEY not in blocks
    recipe = tiny.source.model_dump(mode="json")
    orchestra.complete(orchestra.submit("ingest/ingest", recipe=recipe))
    bucket = S3Store(STORE, orchestra.settings)
    assert len(records(bucket, "ingest")) == 5
    assert {info.key.partition("/")[0] for info in bucket.list()} == {"ingest", "timings"}
