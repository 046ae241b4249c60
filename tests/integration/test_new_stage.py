"""One file and one name add a stage: plan, local and deployed runs, console verb and artifacts follow."""

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from storage.local import LocalStore
from tests.integration.harness import SETTLED, published, run_module, until
from tests.integration.service import Service
from tests.integration.stores import finished

ARTIFACTS = {"count-progress", "count-points"}


@pytest.fixture(scope="module")
def counted(service: Service, preset_file: Path) -> str:
    """What the console printed while it counted the points of a preset's source in its own process."""
    words = ("opendlign", "count", "--preset", str(preset_file), "--store", service.store)
    return run_module(*words, environment=service.environment).stdout


def runs_of_count(service: Service) -> list[FlowRun]:
    with service.client as client:
        return [run for run in client.read_flow_runs() if "count" in run.tags]


def counts(store: LocalStore) -> list[dict[str, Any]]:
    """What each finished output of the stage says."""
    keys = [info.key for info in store.list("count") if "/counts." in info.key]
    return [json.loads(store.read(key)) for key in keys]


def test_the_console_has_a_verb_with_its_sentence(service: Service) -> None:
    told = run_module("opendlign", "--help", environment=service.environment).stdout
    (line,) = [line for line in told.splitlines() if " count " in line]
    assert "Count the points of every object." in line


def test_the_plan_has_a_row(service: Service, preset_file: Path, counted: str) -> None:
    words = ("opendlign", "plan", "--preset", str(preset_file), "--store", service.store)
    wide = {**service.environment, "COLUMNS": "200"}
    told = run_module(*words, "--set", "count.at_least=600", environment=wide).stdout
    (row,) = [line for line in told.splitlines() if "count procedural" in line]
    assert "stale" in row
    assert "recipe.at_least: 1 -> 600" in told


def test_it_runs_in_the_process_of_the_console(service: Service, counted: str) -> None:
    assert "count/" in counted
    store = LocalStore(Path(service.store))
    assert finished(store, "ingest") and not finished(store, "project")
    (found, *_) = counts(store)
    assert len(found) == 50
    assert set(found.values()) == {512}
    local = [run for run in runs_of_count(service) if run.deployment_id is None]
    with service.client as client:
        assert [published(client, run.id).keys() for run in local] == [ARTIFACTS]


def test_it_runs_deployed(service: Service, counted: str) -> None:
    store = LocalStore(Path(service.store))
    (clouds,) = {info.key.split("/")[1] for info in store.list("ingest")}
    given = {"clouds": clouds, "recipe": {"at_least": 600}}
    with service.client as client:
        deployment = client.read_deployment_by_name("count/count")
        assert deployment.description == "Count the points of every object."
        assert (deployment.work_pool_name, deployment.work_queue_name) == ("cpu", "count")
        run = client.create_flow_run_from_deployment(deployment.id, parameters=given)
        until(lambda: client.read_flow_run(run.id).state_type in SETTLED, "a deployed count")
        ended = client.read_flow_run(run.id)
        assert ended.state_type == StateType.COMPLETED, ended.state
        assert published(client, run.id).keys() == ARTIFACTS
    assert {} in counts(store)
