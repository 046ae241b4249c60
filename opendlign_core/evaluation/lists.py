"""Lists of strings in files people write: one per line, or a JSON list."""

import json
from pathlib import Path

from opendlign_core.errors import BadInput


def read_list(path: Path) -> tuple[str, ...]:
    """Read the strings of `path`; blank lines and the spaces around a line do not count.

    Raises:
        BadInput: the file starts like JSON but is not a JSON list of strings.
    """
    text = path.read_text(encoding="utf-8-sig")
    if not text.lstrip().startswith("["):
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{path} starts like a JSON list but is not JSON: {error}") from error
    if not all(isinstance(item, str) for item in value):
        raise BadInput(f"{path} must be a JSON list of strings")
    return tuple(value)
