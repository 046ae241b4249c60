"""Files that are either complete or absent."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

METADATA_KEY = "opendlign"


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a neighbour of `path`, then move it there in one step; after an error `path` is as before.

    Who may read it is what this user gives every new file, whatever `write` says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.touch()
        mode = partial.stat().st_mode
        write(partial)
        partial.chmod(mode)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file whole; equal content gives equal bytes.

    `metadata` lies under one key as JSON, because safetensors writes several keys in random order.
    """
    packed = {METADATA_KEY: json.dumps(metadata, sort_keys=True)}
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    write_whole(path, lambda partial: save_file(plain, partial, metadata=packed))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file and what `write_tensors` was told about them; empty for others' files."""
    with safe_open(path, framework="pt") as file:
        metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
        names = sorted(file.keys())
        return {name: file.get_tensor(name) for name in names}, metadata
