"""How people write fields of a recipe: names that must be known, and `{file: PATH}` for lists kept in a file.

A file is read while the recipe is made, so that its words, not its place, are part of the recipe.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.labels import check_labels, packaged_labels, read_labels
from opendlign_core.evaluation.templates import TextName, check_templates, read_templates


class NamedFiles:
    """Whether this process may read files that recipes name; it may unless it works for others than their writer."""

    allowed: ClassVar = True

    @classmethod
    def refuse(cls) -> None:
        """From here on refuse `{file: PATH}` in this process."""
        cls.allowed = False


def from_file(read: Callable[[Path], Any]) -> BeforeValidator:
    """Lets a field be written as `{file: PATH}`, of what `read` finds there."""

    def given(value: Any) -> Any:
        if not (isinstance(value, dict) and set(value) == {"file"}):
            return value
        if not NamedFiles.allowed:
            raise BadInput(
                "a run that was asked for through the API reads no files that its parameters name: give what is in "
                f"{value['file']} itself"
            )
        return read(Path(value["file"]))

    return BeforeValidator(given)


def _known_labels(labels: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(labels, tuple):
        return check_labels(labels, "the recipe")
    if labels != "from-data":
        packaged_labels(labels)
    return labels


def _with_slots(text: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return text if isinstance(text, str) else check_templates(text, "the recipe")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


Labels = Annotated[str | tuple[str, ...], AfterValidator(_known_labels), from_file(read_labels)]
Text = Annotated[TextName | tuple[str, ...], AfterValidator(_with_slots), from_file(read_templates)]
FileDigest = Annotated[str, from_file(_digest)]
