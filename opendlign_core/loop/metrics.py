"""`metrics.jsonl`: one line per few training steps and per validation, the same for an interrupted run."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opendlign_core.errors import BadInput
from opendlign_core.loop.files import write_whole


class MetricsLog:
    """Appends rows to a file. Opening it for a run that continues at `step` drops rows of later steps."""

    def __init__(self, path: Path, step: int = 0, tensorboard: Path | None = None) -> None:
        kept = [row for row in read_metrics(path) if row["step"] <= step] if path.exists() else []
        text = "".join(json.dumps(row) + "\n" for row in kept)
        write_whole(path, lambda partial: _write(partial, text))
        self._file = path.open("a", encoding="utf-8")
        self._board = _open_board(tensorboard, step) if tensorboard is not None else None

    def write(self, kind: str, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Append one row; `step` is the number of steps done when it was measured."""
        self._file.write(json.dumps({"kind": kind, "step": step, "epoch": epoch, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def flush(self) -> None:
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; a last line that a crash cut short is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise BadInput("event files need the package tensorboard: pip install tensorboard") from error
    return SummaryWriter(str(folder), purge_step=step + 1)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
