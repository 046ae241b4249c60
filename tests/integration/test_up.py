"""`opendlign up` behind a password: its parts know it, nobody else gets in, and `down` ends it all."""

import json
import urllib.error
import urllib.request

import pytest
from prefect.client.schemas.objects import StateType

from tests.integration.harness import SETTLED, run_module, running, until
from tests.integration.presets import tiny_recipes
from tests.integration.service import PASSWORD, Service


def test_up_starts_server_workers_and_deployments(service: Service) -> None:
    assert set(service.processes) == {"server", "cpu-0", "gpu-0"}
    assert all(running(pid) for pid in service.processes.values())
    with service.client as client:
        assert {"regenerate", "evaluate"} <= {flow.name for flow in client.read_flows()}


def test_up_says_how_to_reach_it_and_keeps_the_password_to_itself(service: Service) -> None:
    assert f"UI: {service.url}" in service.told
    assert f"export PREFECT_API_URL={service.url}/api" in service.told
    assert 'PREFECT_API_AUTH_STRING="$PREFECT_SERVER_API_AUTH_STRING"' in service.told
    logs = [path.read_text(errors="replace") for path in (service.home / "opendlign" / "logs").iterdir()]
    assert len(logs) == 4
    assert not [text for text in (service.told, *logs) if PASSWORD in text]


def test_the_ui_knows_its_api_and_asks_for_the_password(service: Service) -> None:
    with urllib.request.urlopen(f"{service.url}/ui-settings", timeout=30) as answer:
        told = json.loads(answer.read())
    assert told["api_url"] == f"{service.url}/api"
    assert told["auth"] == "BASIC"


def test_the_api_refuses_strangers(service: Service) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{service.url}/api/admin/version", timeout=30)


@pytest.mark.parametrize("words", [("deploy",), ("ingest", "--set", "ingest.points=8")], ids=lambda words: words[0])
def test_the_console_of_a_stranger_says_what_is_missing(words: tuple[str, ...], service: Service) -> None:
    done = run_module("opendlign", *words, environment=service.stranger, check=False)
    assert done.returncode == 2, done.stderr
    assert "the Prefect server asks for a password: set PREFECT_API_AUTH_STRING" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_deployed_run_ends_well(service: Service) -> None:
    """Worker, run and console are three processes, and each of them speaks with the server."""
    recipe = {**tiny_recipes(objects=5)["ingest"], "points": 64}
    with service.client as client:
        deployment = client.read_deployment_by_name("ingest/ingest")
        run = client.create_flow_run_from_deployment(deployment.id, parameters={"recipe": recipe})
        until(lambda: client.read_flow_run(run.id).state_type in SETTLED, "a deployed run")
        ended = client.read_flow_run(run.id)
    assert ended.state_type == StateType.COMPLETED, ended.state


def test_up_twice_is_refused(service: Service) -> None:
    port = service.url.rpartition(":")[2]
    refused = run_module("opendlign", "up", "--port", port, environment=service.environment, check=False)
    assert refused.returncode == 2 and "already running" in refused.stderr


def test_down_stops_everything(service: Service) -> None:
    """The last test of the service: whatever comes after it finds none."""
    processes = service.processes
    assert "stopped cpu-0, gpu-0, server" in run_module("opendlign", "down", environment=service.environment).stdout
    assert not any(running(pid) for pid in processes.values())
