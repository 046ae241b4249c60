"""`--set`: fields of a preset's mapping changed one by one, before the mapping is validated."""

from collections.abc import Mapping
from typing import Any

import yaml

from flows.reference import places_of
from flows.yaml_text import read_yaml
from tasks.registry import STAGES

# People say both "train" and "training"; files and fingerprints use the verbs.
NOUNS = {stage.noun: stage.name for stage in STAGES if stage.noun}
BENCHMARKS = "benchmarks"
FIRST_STEPS = (*(stage.name for stage in STAGES), BENCHMARKS, "nodes", "execution")


def apply_change(raw: dict[str, Any], change: str) -> None:
    """Set one dotted field; the value is read as YAML, so that numbers are numbers and `[1, 2]` is a list.

    A step may name an item of a list: `benchmarks.modelnet40.source.url=PATH`. The benchmarks as a whole are a choice
    among those of the preset: `benchmarks=[modelnet40]`, or `benchmarks=[]` for none.

    Raises:
        ValueError: for a field that no stage has, or a value that is no YAML.
    """
    dotted, found, text = change.partition("=")
    steps = dotted.strip().split(".")
    steps[0] = NOUNS.get(steps[0], steps[0])
    if not found or (len(steps) < 2 and steps[0] != BENCHMARKS):
        raise ValueError(f"write it as stage.field=value, such as {_example(dotted.strip())}")
    if steps[0] not in FIRST_STEPS:
        raise ValueError(f"no stage {steps[0]!r}; there are {', '.join(FIRST_STEPS)}")
    value = _read_value(text)
    if steps == [BENCHMARKS]:
        _choose_benchmarks(raw, value)
        return
    group: Any = raw
    for step in steps[:-1]:
        group = _inside(group, step)
    if not isinstance(group, dict):
        raise ValueError(f"{steps[-2]} is no group of fields")
    group[steps[-1]] = value


def _example(field: str) -> str:
    """A change as it is written, of the field that was meant where one is called so."""
    meant = places_of(field)
    return f"{meant[0]}=..." if meant else "train.epochs=5"


def source_title(ingest: Mapping[str, Any]) -> str:
    """How people and object ids call the source of an ingest recipe that is still a mapping."""
    source = ingest.get("source") or {}
    return str(source.get("name") or source.get("adapter", ""))


def _read_value(text: str) -> Any:
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{text!r} is not YAML: {' '.join(str(error).split())}") from error


def _inside(group: Any, step: str) -> Any:
    if isinstance(group, dict):
        if group.get(step) is None:
            group[step] = {}
        return group[step]
    if not isinstance(group, list):
        raise ValueError(f"{step} is inside of what is no group of fields")
    called = [item for item in group if isinstance(item, dict) and step in (item.get("name"), source_title(item))]
    if len(called) != 1:
        names = ", ".join(str(item.get("name") or source_title(item)) for item in group if isinstance(item, dict))
        raise ValueError(f"{len(called)} items are called {step!r}; there are {names or 'none'}")
    return called[0]


def _choose_benchmarks(raw: dict[str, Any], chosen: Any) -> None:
    """Keep the named benchmarks; data sets that were judged on the others alone go with them."""
    given = {source_title(recipe): recipe for recipe in raw.get(BENCHMARKS) or ()}
    if not isinstance(chosen, list) or not all(isinstance(name, str) and name in given for name in chosen):
        raise ValueError(f"choose among this preset's, as [{', '.join(given)}], or [] for none")
    raw[BENCHMARKS] = [given[name] for name in given if name in chosen]
    left_out = set(given) - set(chosen)
    evaluate = raw.setdefault("evaluate", {})
    kept = [
        dataset for dataset in evaluate.get("datasets") or () if not _only_of(dataset.get("sources") or (), left_out)
    ]
    own = source_title(raw.get("ingest") or {})
    evaluate["datasets"] = kept or [{"name": own, "sources": [own]}]


def _only_of(sources: Any, left_out: set[str]) -> bool:
    return bool(sources) and set(sources) <= left_out
