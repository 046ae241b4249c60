"""Every example in a docstring runs and gives what it shows."""

import doctest
import importlib

import pytest

from tests.test_architecture import ROOMS, module_name, source_files

# Importing a module may cost seconds: only those are imported that show an example.
WITH_EXAMPLES = [
    module_name(path) for room in ROOMS for path in source_files(room) if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_give_what_they_show(module: str) -> None:
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted
    assert not outcome.failed


def test_there_are_examples_in_the_rooms_that_others_call() -> None:
    assert {name.partition(".")[0] for name in WITH_EXAMPLES} >= {"opendlign_core", "storage"}
