"""Evaluations of a store held against each other."""

from pathlib import Path

import pytest

from opendlign.main import main
from opendlign_core.evaluation import DatasetSpec, EvalRecipe, EvaluationResults, write_results
from opendlign_core.evaluation.findings import ScoredObjects
from storage.fingerprint import StageIdentity
from storage.output import StageOutput
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.comparison import compare_evaluations
from tests.evaluation.report_case import scored_objects


def committed(store: Store, folder: Path, examples: int, *scored: ScoredObjects) -> Manifest:
    results = EvaluationResults(model="m", model_fingerprint="f")
    numbers, objects = write_results(results, scored, folder)
    recipe = EvalRecipe(
        datasets=(DatasetSpec(name="modelnet40"),), methods=("training-free", "opendlign"), examples=examples
    )
    output = StageOutput(store, StageIdentity.of("evaluate", 1, recipe))
    return output.commit_manifest(files={"results": numbers, "objects": objects})


def two(store: Store, folder: Path) -> list[Manifest]:
    """A better evaluation after a worse one, of the same objects."""
    skills = ((1.5, 1.5), (3.0, 1.5))
    return [
        committed(
            store,
            folder / str(number),
            number,
            scored_objects("modelnet40", "training-free", frozen, 5),
            scored_objects("modelnet40", "opendlign", tuned, 5),
        )
        for number, (tuned, frozen) in enumerate(skills)
    ]


def test_the_method_that_an_evaluation_is_about_comes_first(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    found = compare_evaluations(store, *two(store, tmp_path))
    assert [one.method for one in found] == ["opendlign", "training-free"]
    assert found[0].share.low is not None and found[0].share.low > 0
    assert found[1].changes == ()


def test_the_command_prints_tables_and_writes_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before, after = two(open_store(tmp_path / "store"), tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", before.fingerprint[:10], f"evaluate/{after.fingerprint}", "--store", "store"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert "Classes that changed most, opendlign" in printed
    assert "Page: compare.html" in printed
    page = (tmp_path / "compare.html").read_text()
    assert f"<h1>ModelNet40: {after.fingerprint[:8]} against {before.fingerprint[:8]}</h1>" in page
    assert f"{after.fingerprint[:8]}: shapes, a frozen model" in page
    assert page.count('class="verdict') == 1
    sides = page.partition('id="changed-sides"')[2].partition("</table>")[0]
    assert "<td>opendlign</td>" in sides and "<td>training-free</td>" in sides
