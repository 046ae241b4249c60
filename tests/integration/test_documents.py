"""What operators read and apply says what the code says."""

from typing import Any

import pytest
import yaml

from opendlign.deployment import POOLS, stage_deployments
from storage.settings import Settings
from tasks.registry import STAGES
from tests.servers import ROOT

DESCRIBED = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYED: dict[str, dict[str, Any]] = {known["name"]: known for known in DESCRIBED["deployments"]}


def test_the_example_lists_every_setting() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    for field in Settings.model_fields:
        assert f"OPENDLIGN_{field.upper()}=" in text


@pytest.mark.parametrize("wanted", stage_deployments(), ids=lambda wanted: str(wanted["name"]))
def test_the_deployment_of_a_stage_is_what_the_stage_says(wanted: dict[str, Any]) -> None:
    """Name, entrypoint, description, tags, parameters, pool and queue; variables of its jobs are the file's own."""
    described = DEPLOYED[wanted["name"]]
    pool = {name: value for name, value in described["work_pool"].items() if name != "job_variables"}
    assert {**described, "work_pool": pool} == wanted


def test_every_deployment_is_a_stage_or_a_regeneration() -> None:
    others = [known for name, known in DEPLOYED.items() if name not in {stage.name for stage in STAGES}]
    assert {known["entrypoint"] for known in others} == {"flows/regenerate.py:regenerate"}
    assert {known["work_pool"]["work_queue_name"] for known in DEPLOYED.values()} == {*POOLS["cpu"], *POOLS["gpu"]}
