"""Every stage understands the name of a device in the same way."""

import pytest
import torch

from opendlign_core.clip import choose_device
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalExecution
from opendlign_core.projection import ProjectionExecution
from opendlign_core.synthesis import SynthesisExecution
from opendlign_core.training import TrainExecution


def test_auto_takes_what_is_there() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:first", "", "mps", "meta"])
def test_an_unknown_device_is_named(name: str) -> None:
    with pytest.raises(BadInput, match=f"no device is called '{name}'; choose auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_an_absent_gpu_is_named_with_the_remedy() -> None:
    with pytest.raises(BadInput, match=r"'cuda:99' was asked for.* usable GPU.*choose auto or cpu"):
        choose_device("cuda:99")


def test_every_execution_finds_its_device_by_itself() -> None:
    executions = (ProjectionExecution(), SynthesisExecution(), TrainExecution(), EvalExecution())
    assert {execution.device for execution in executions} == {"auto"}
