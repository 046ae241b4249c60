"""What a dataset adapter says about one object, before any of its bytes are read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

UpAxis = Literal["x", "y", "z", "-x", "-y", "-z"]

PROCEDURAL = "procedural:"


def one_line(name: str) -> str:
    r"""The name with line breaks and other control characters spelled out: ids stand in lists and sentences.

    >>> print(one_line("new\nline.obj"))
    new\nline.obj
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


class ObjectEntry(BaseModel):
    """One object of a dataset: where its bytes lie and what is known about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object_id: str = Field(pattern=r"^[^/]+/.+$")
    """`<source>/<name>`, unique in a catalog; also seeds every random draw made for the object."""
    source: str
    split: str
    label: str = ""
    caption: str = ""
    uri: str
    """Key inside the source's files, or `procedural:<index>` for an object that is generated."""
    member: str | int | None = None
    """Which object of a pack: a row, an array's name, or `name:row`; None where the file is the object."""
    up_axis: UpAxis | None = None
    """The axis that points up in the file; None takes what the file declares, or else y."""
    unit: str = ""
    """Length unit of the coordinates (`m`, `mm`, `in`, ...); empty takes what the file declares."""
    licence: str = ""

    @property
    def procedural(self) -> bool:
        """Whether the object is generated rather than read."""
        return self.uri.startswith(PROCEDURAL)
