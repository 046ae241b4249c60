"""What a dataset adapter says about one object, before any of its bytes are read."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

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
    beside: tuple[str, ...] = ()
    """Keys of further files that the object is read from, in the order that its adapter states."""

    @model_serializer(mode="wrap")
    def _stored(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An object of one file says nothing of others, so that listings keep the digests they had."""
        return {name: value for name, value in plain(self).items() if name != "beside" or value}

    @property
    def files(self) -> tuple[str, ...]:
        """Keys of all files that the object is read from; none where it is generated."""
        return () if self.procedural else (self.uri, *self.beside)

    @property
    def procedural(self) -> bool:
        """Whether the object is generated rather than read."""
        return self.uri.startswith(PROCEDURAL)
