"""A result file that is complete after every row: a bench cut short, or one row that fails, keeps the others."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


class Report:
    """Rows under their names, written to `bench/results/<name>.json` as they come."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.rows = path, {"machine": about}
        self.failed: list[str] = []

    def add(self, name: str, work: Callable[[], Any]) -> Any:
        """Measure a row; return it, or None where it failed with an error, which then takes its place."""
        row = None
        try:
            row = self.rows[name] = work()
        except Exception as error:  # the other rows of an expensive machine must not be lost to this one
            traceback.print_exc()
            self.failed.append(name)
            self.rows[name] = {"failed": f"{type(error).__name__}: {error}"[:500]}
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(self.rows, indent=2) + "\n")
        print(name, json.dumps(self.rows[name]), flush=True)
        return row

    def end(self) -> None:
        """End the process with an error where a row failed."""
        if self.failed:
            sys.exit(f"failed: {', '.join(self.failed)}")
