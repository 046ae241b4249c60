"""What an evaluation shows: names that came from data stay as they are, in the UI and in the terminal."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from opendlign import show
from opendlign_core.evaluation import EvaluationResults, write_results
from opendlign_core.evaluation.classification.counting import ZeroShotResult
from opendlign_core.evaluation.classification.few_shot import FewShotResult
from opendlign_core.recipe import Recipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.report import read_results, show_results
from tests.evaluation.report_case import filled_report

ODD = "shapes [red]a*b* <script>[/b]"


@dataclass
class Board:
    """Keeps what a stage shows."""

    tables: dict[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def table(self, name: str, rows: Sequence[dict[str, Any]], about: str) -> None:
        self.tables[name] = rows

    def markdown(self, name: str, text: str, about: str) -> None:
        self.texts[name] = text

    def picture(self, name: str, image: bytes, about: str, media_type: str = "image/png") -> None:
        self.pictures[name] = image


class Nothing(Recipe):
    """The recipe of these results does not matter."""


def odd_results() -> EvaluationResults:
    row: ZeroShotResult = filled_report().results.rows["zero-shot"][0].model_copy(update={"dataset": ODD})  # type: ignore[assignment]
    few = FewShotResult(dataset=ODD, method="[bold]m", shots=4, mean=0.5, std=0.1, accuracies=(0.4, 0.6))
    return EvaluationResults(model="m", model_fingerprint="f", rows={"zero-shot": (row,), "few-shot": (few,)})


def committed(store: Store, results: EvaluationResults, folder: Path) -> Manifest:
    numbers, _ = write_results(results, (), folder)
    report = folder / "report.html"
    report.write_text("<p>")
    output = StageOutput(store, StageIdentity.of("evaluate", 1, Nothing()))
    return output.commit_manifest(files={"results": numbers, "report": report})


def test_every_benchmark_with_rows_is_shown(tmp_path: Path) -> None:
    store, board = open_store(tmp_path / "store"), Board()
    manifest = committed(store, odd_results(), tmp_path)
    assert read_results(store, manifest) == odd_results()
    show_results(store, manifest, board)
    assert set(board.tables) == {"results", "few-shot"}
    assert set(board.pictures) == {"confusion"}
    assert [(row["data set"], row["method"]) for row in board.tables["few-shot"]] == [(ODD, "[bold]m")]
    first, second, *_ = board.texts["summary"].splitlines()
    assert first.startswith(r"* **opendlign** on shapes \[red\]a\*b\* \<script\>\[/b\]: top-1 ")
    assert second == (
        r"* **\[bold\]m** on shapes \[red\]a\*b\* \<script\>\[/b\]: few-shot top-1 50.0 % (40.0 to 60.0), "
        r"4 examples a class, ± one deviation of 2 draws"
    )
    assert f"{store.url}/{manifest.folder}/report" in board.texts["summary"]


def printed(results: EvaluationResults, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    terminal = io.StringIO()
    monkeypatch.setattr(show, "console", Console(file=terminal, width=width))
    show.print_results(results)
    return terminal.getvalue()


def test_the_terminal_prints_names_and_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(odd_results(), 140, monkeypatch)
    assert text.count(ODD) == 2
    assert "[bold]m" in text


def test_the_tables_fit_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(filled_report().results, 80, monkeypatch)
    assert max(map(len, text.splitlines())) <= 80
    assert "training-free" in text
