"""Every package that is asked for is used, and every package that is used is asked for."""

import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.servers import ROOT
from tests.test_architecture import ROOMS, imported, source_files

PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)["project"]

BROUGHT = {
    "aiobotocore": "s3fs",
    "botocore": "aiobotocore",
    "huggingface-hub": "diffusers",
    "pydantic-core": "pydantic",
    "starlette": "fastapi",
    "threadpoolctl": "scikit-learn",
    "torchvision": "open-clip-torch",
    "triton": "torch",
    "uvicorn": "prefect",
}
"""Imported packages that belong to another one, whose version decides theirs."""


def names(requirements: list[str]) -> list[str]:
    return [canonicalize_name(Requirement(one).name) for one in requirements]


def used_by(rooms: tuple[str, ...]) -> set[str]:
    """Distributions whose modules the rooms import."""
    modules = {name for room in rooms for path in source_files(room) for name in imported(path)}
    foreign = modules - set(sys.stdlib_module_names) - {*ROOMS, "tests", "bench"}
    homes = packages_distributions()
    return {canonicalize_name(home) for module in foreign for home in homes.get(module, [module])}


def commented() -> Iterator[str]:
    """Requirements whose line says who needs them."""
    for line in re.findall(r'^ +"([^"]+)", +# \S+', PYPROJECT, flags=re.MULTILINE):
        yield canonicalize_name(Requirement(line).name)


def test_every_dependency_is_imported_or_says_who_needs_it() -> None:
    idle = set(names(PROJECT["dependencies"])) - used_by(ROOMS) - set(commented())
    assert not idle


def test_a_comment_says_who_needs_what_nobody_imports() -> None:
    assert not set(commented()) & used_by(ROOMS)


def test_what_is_imported_is_asked_for() -> None:
    extras = PROJECT["optional-dependencies"]
    offered = [one for name, group in extras.items() if name != "dev" for one in group]
    asked = names([*PROJECT["dependencies"], *offered])
    assert used_by(ROOMS) - set(asked) == set(BROUGHT)
    assert used_by(("tests", "bench")) <= {*asked, *names(extras["dev"]), *BROUGHT, *brought(tuple(asked))}


def test_what_others_bring_is_theirs_to_bring() -> None:
    for brought_one, by in BROUGHT.items():
        assert brought_one in brought((by,)), f"{by} does not bring {brought_one}"


def test_the_constraints_fit_the_requirements() -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    versions = {canonicalize_name(name): version for name, version in pins.items()}
    extras = [one for group in PROJECT["optional-dependencies"].values() for one in group]
    for one in map(Requirement, [*PROJECT["dependencies"], *extras]):
        name = canonicalize_name(one.name)
        assert name == "opendlign-pipeline" or one.specifier.contains(versions[name]), f"{one}: {versions.get(name)}"


@cache
def brought(packages: tuple[str, ...]) -> set[str]:
    """What these packages ask for themselves."""
    return {
        canonicalize_name(Requirement(one).name)
        for package in packages
        for one in requires(package) or ()
        if "extra ==" not in one
    }
