"""What names shapes for a command: the trained model that its options mean, or the frozen CLIP where there is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from opendlign.models import Which, find
from opendlign.show import console, plain, print_unread
from opendlign_core.errors import BadInput
from storage.errors import MissingOutput

if TYPE_CHECKING:
    from opendlign_core.clip import ClipSpec
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.ingestion import IngestExecution, IngestRecipe
    from opendlign_core.projection import ProjectionRecipe


@dataclass(frozen=True)
class Namer:
    """A model, and how shapes are brought before it."""

    clip: "ClipSpec"
    source: "IngestRecipe"
    reading: "IngestExecution"
    projection: "ProjectionRecipe"
    method: str
    """The name of the method that classifies with it."""
    told: str
    """What it is, in words."""
    _load: Callable[[], "EvaluatedModel"]

    @cached_property
    def model(self) -> "EvaluatedModel":
        return self._load()


def namer(which: Which) -> Namer:
    """What names shapes, after saying what it is; not loaded yet.

    Raises:
        MissingOutput: --model names none.
    """
    found = _namer(which)
    console.print(plain(found.told), soft_wrap=True)
    return found


def _namer(which: Which) -> Namer:
    try:
        trained = find(which)
    except MissingOutput:
        if which.model:
            raise
        return _frozen(which)
    told = f"Model: {trained.manifest.folder} ({trained.told})"
    return Namer(
        trained.clip, trained.source, trained.reading, trained.projection, "opendlign", told,
        lambda: trained.model,
    )  # fmt: skip


def _frozen(which: Which) -> Namer:
    """The CLIP that a preset trains from or judges, as it is."""
    from flows.preset import load_preset
    from tasks.judged import load_frozen

    preset = load_preset(which.chosen, which.changes)
    clip = next((one.clip for stage in ("train", "evaluate") if (one := preset.recipes.get(stage)) and one.clip), None)
    if clip is None:
        raise BadInput(f"the preset {preset.name} names no CLIP; take another, such as --preset mini")
    told = f"Model: the frozen {clip.model} of the preset {preset.name}, because no trained one is there"
    return Namer(
        clip, preset.source, preset.executions["ingest"], preset.recipes["project"], "training-free", told,
        lambda: load_frozen(clip, "auto"),
    )  # fmt: skip


def note_unread(found: Namer, names: Sequence[str]) -> None:
    """Say which words of the names the CLIP never read.

    Raises:
        BadInput: it read none of them.
    """
    from opendlign_core.clip.vocabulary import unread_words

    unread = unread_words(found.clip, names)
    if all(unread_words(found.clip, [name]) for name in names):
        raise BadInput(f"{found.clip.model} never read {', '.join(unread)}: name things that it knows")
    print_unread(found.clip.model, unread)
