"""The command's face: help with a sentence beside every verb, groups, and the spellings that people know by heart."""

import shlex
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from flows.preset import PresetError
from opendlign.main import main
from opendlign.run import program
from opendlign.verbs import GROUPS, OWN_VERBS, SECTIONS, SERVICE, SHORT, STORE, build_app
from tasks.registry import STAGES

TYPED_DAILY = [verb.name for verb in (*STORE, *SERVICE)]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def described(verbs: Iterable[Any]) -> list[tuple[str, str]]:
    """Names and sentences as the terminal shows them."""
    return [(verb.name, verb.about.replace("`", "")) for verb in verbs]


def test_help_has_a_sentence_beside_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "--help").replace("`", "")
    groups = [(name, about) for name, (about, _) in GROUPS.items() if name not in SHORT]
    verbs = [verb for verbs in SECTIONS.values() for verb in verbs]
    for name, about in [*described(verbs), *described(STAGES), *groups]:
        assert f" {name} {about}" in told


def test_help_goes_by_what_verbs_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "--help")
    titles = [*list(SECTIONS)[:2], "One stage of a preset", *list(SECTIONS)[2:], "Options"]
    places = [told.index(f"─ {title}") for title in titles]
    assert places == sorted(places)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_a_sentence_beside_every_verb(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, group, "--help").replace("`", "")
    for name, about in described(GROUPS[group][1]):
        assert f" {name} {about}" in told


EVERY_VERB = [
    *[(stage.name,) for stage in STAGES],
    *[(verb.name,) for verbs in SECTIONS.values() for verb in verbs],
    *[(group, verb.name) for group, (_, verbs) in GROUPS.items() for verb in verbs],
]


@pytest.mark.parametrize("words", EVERY_VERB, ids=" ".join)
def test_the_help_of_a_verb_has_an_example_that_is_understood(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    _, found, example = printed(capsys, *words, "--help").partition("Example: opendlign ")
    typed = shlex.split(example)
    assert found and typed[0] in words
    build_app().parse_args(typed, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("verb", TYPED_DAILY)
def test_what_is_typed_daily_needs_no_group(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    group = next(name for name, (_, verbs) in GROUPS.items() if verb in [known.name for known in verbs])
    short, long = printed(capsys, verb, "--help"), printed(capsys, group, verb, "--help")
    assert short.partition(verb)[2] == long.partition(verb)[2] != ""


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES if stage.name not in OWN_VERBS])
def test_the_verb_of_a_stage_tells_its_options(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, stage, "--help")
    assert "Change a field, such as --set train.epochs=5" in told
    assert "--preset" in told and "--store" in told and "--source" in told


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version") == f"opendlign {version('opendlign-pipeline')}"


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(PresetError):
        main(["run", "--preset", "nonsense", "--debug"])


def test_an_empty_store_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENDLIGN_STORE", raising=False)
    assert "0 outputs" in printed(capsys, "verify")


def test_an_interrupt_reaches_the_place_that_has_a_sentence_for_it() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    app = build_app()
    app.command(interrupted, name="interrupted")
    with pytest.raises(KeyboardInterrupt):
        app(["interrupted"], exit_on_error=False, print_error=False)


def test_the_next_commands_name_a_program_that_a_shell_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `make run` nobody has activated anything."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    assert program() == "python -m opendlign"
    (folder / "opendlign").touch(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == ".venv/bin/opendlign"
    monkeypatch.setenv("PATH", str(folder))
    assert program() == "opendlign"
