"""What tables and lines of the console make of names that other people chose."""

import pytest

from opendlign.shapes import hits_table
from opendlign.show import console
from opendlign_core.evaluation import Hit

ODD = "mug[/b] [red]x[/] \x1b[31m.off"


def test_the_console_takes_no_markup_from_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    console.print("Wrote out[/b]/[red]x[/].pth", soft_wrap=True)
    assert capsys.readouterr().out == "Wrote out[/b]/[red]x[/].pth\n"


def test_hits_with_odd_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    hit = Hit(object_id=ODD, label="[bold]", score=0.5)
    console.print(hits_table([hit], "a [/b] mug"), width=160)
    shown = capsys.readouterr().out
    assert "mug[/b] [red]x[/] \\x1b[31m.off" in shown
    assert "[bold]" in shown
    assert "a [/b] mug" in shown
