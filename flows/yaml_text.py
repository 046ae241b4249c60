"""YAML as people mean it: `on`, `off`, `yes` and `no` are words, as in YAML 1.2; only true and false are not."""

import re
from typing import Any

import yaml


class _Words(yaml.SafeLoader):
    """A safe loader without the further spellings of truth that YAML 1.1 knew."""


_BOOL = "tag:yaml.org,2002:bool"
_Words.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Words.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(text: str) -> Any:
    """The value of a YAML text.

    >>> read_yaml("{suffixes: off, gate: false, epochs: 5}")
    {'suffixes': 'off', 'gate': False, 'epochs': 5}

    Raises:
        yaml.YAMLError: the text is none.
    """
    return yaml.load(text, _Words)
