"""`opendlign fields`: what `--set` and presets can say."""

from rich.table import Table

from opendlign.show import console, plain
from opendlign_core.errors import BadInput
from tasks.registry import STAGES

WIDTH = 180
"""Long cells fold also where a program reads along; the names of fields stay whole."""


def fields(stage: str = "", /) -> int:
    """List the fields that `--set` changes and a preset may hold, with what they take, their defaults and their use.

    Parameters
    ----------
    stage
        Only those of this stage, such as train; all by default.
    """
    from flows.reference import fields_of

    chosen = [one for one in STAGES if stage in ("", one.name, one.noun)]
    if not chosen:
        raise BadInput(f"no stage {stage!r}; stages are {', '.join(one.name for one in STAGES)}")
    for one in chosen:
        table = Table(title=plain(f"{one.name}: {one.about}"))
        table.add_column("field", no_wrap=True)
        for name in ("takes", "default", "about"):
            table.add_column(name, overflow="fold")
        for line in fields_of(one):
            table.add_row(*map(plain, (line.path, line.kind, line.default, line.about)))
        console.print(table, width=min(console.width, WIDTH))
    return 0
