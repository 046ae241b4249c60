"""A list of objects: a CSV or Parquet table of uris, or an `.npz` pack that says what its rows are."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from opendlign_core.articles import article
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.listing import Listing, stem
from opendlign_core.ingestion.adapters.selection import SELECTION_OPTIONS, listed_parts, select
from opendlign_core.ingestion.adapters.spec import Absent, Adapter, Found
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import plain_label
from opendlign_core.ingestion.list_reader import ListReader
from opendlign_core.ingestion.recipe import SourceSpec

LIST_SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")
_COLUMNS = ("uri", "label", "caption", "split")
_UP_AXES: tuple[UpAxis, ...] = ("x", "y", "z", "-x", "-y", "-z")
_UP_AXIS = re.compile(r"([+-]?)\s*([xyz])(?![a-z0-9])")
_UNKNOWN_AXES = ("", "unknown", "none", "nan")


def _list(source: SourceSpec, files: Files) -> Iterable[Found]:
    listing = Listing(files)
    keys = _list_keys(source, listing)
    return select(source, (found for key in keys for found in _entries(source, listing, key, len(keys) > 1)))


def _entries(source: SourceSpec, listing: Listing, key: str, several: bool) -> Iterator[Found]:
    if key.endswith(".npz"):
        if named := [column_option(column) for column in _COLUMNS if source.option(column_option(column), "")]:
            raise BadInput(f"{key} is a pack, which has no columns: leave out {', '.join(named)}")
        return _pack(listing, key)
    return _table(source, listing, key, several)


def _list_keys(source: SourceSpec, listing: Listing) -> list[str]:
    """The files that the option `list` names, or else the only table, or else all packs, at the top of the source."""
    if named := source.option("list", ""):
        return [listing.require(name.strip()) for name in named.split(",")]
    top = [key for key in listing.keys if "/" not in key and key.endswith(LIST_SUFFIXES)]
    tables = [key for key in top if not key.endswith(".npz")]
    if len(tables) > 1:
        raise BadInput(f"several lists at {source.url}: {', '.join(tables)}; name one with the option list")
    if not top:
        raise Absent("a .csv, .tsv, .parquet or .npz file at the top of the source")
    return tables or top


def split_uri(uri: str) -> tuple[str, str | int | None]:
    """`pack.npz#12` is row 12 of the pack, `pack.npz#name` or `pack.npz#name:12` an array or its row."""
    key, _, member = uri.partition("#")
    if not member:
        return key, None
    return key, int(member) if member.isdecimal() else member


def _table(source: SourceSpec, listing: Listing, key: str, several: bool) -> Iterator[Found]:
    rows = _parquet(listing, key) if key.endswith(".parquet") else listing.rows(key)
    columns = {column: source.option(column_option(column), column) for column in _COLUMNS}
    if not rows:
        raise BadInput(f"{key} has a header but no rows")
    _check_columns(source, key, columns, rows[0])
    folder, seen = PurePosixPath(key).parent.as_posix(), set[str]()
    for number, row in enumerate(rows, start=2):
        uri = row[columns["uri"]].strip()
        if not uri:
            raise BadInput(f"{key} has an empty uri in row {number}")
        if uri in seen:
            raise BadInput(f"{key} names {uri} twice, the second time in row {number}")
        seen.add(uri)
        yield _row(row, columns, uri, folder, stem(key) if several else "")


def _parquet(listing: Listing, key: str) -> list[dict[str, str]]:
    with ListReader() as reader:
        return reader.table(listing.files.local(key), key)


def _check_columns(source: SourceSpec, key: str, columns: Mapping[str, str], there: Mapping[str, str]) -> None:
    """The uri must be there, and so must every column that an option names: a label must not get lost by a typo."""
    for column, name in columns.items():
        named = column == "uri" or source.option(column_option(column), "")
        if named and name not in there:
            raise BadInput(f"{key} has no column {name!r} (it has {', '.join(there)}); see option {column}_column")


def _row(row: Mapping[str, str], columns: Mapping[str, str], uri: str, folder: str, prefix: str) -> Found:
    path, member = split_uri(uri)
    label = plain_label(row.get(columns["label"], ""))
    return Found(
        name=posixpath.join(prefix, row.get("name", "").strip() or uri.replace("#", "/")),
        split=row.get(columns["split"], "").strip(),
        label=label,
        uri=posixpath.normpath(posixpath.join(folder, path)),
        member=member,
        caption=row.get(columns["caption"], "").strip() or article(label),
        up_axis=read_up_axis(row.get("up_axis", ""), f"(of {uri})"),
    )


def column_option(column: str) -> str:
    """The option that renames a column: `uri_column`; `split` itself is taken by the default split."""
    return f"{column}_column"


def _pack(listing: Listing, key: str) -> Iterator[Found]:
    """Rows of a pack with `points` [N, P, 3], `labels` [N] and, if there, `split`, `text`, `up_axis`."""
    with ListReader() as reader:
        pack = reader.pack(listing.files.local(key), key)
    columns = zip(pack["labels"], pack["split"], pack["text"], pack["up_axis"], strict=True)
    for row, (given, split, text, up) in enumerate(columns):
        label = plain_label(given)
        caption = article(plain_label(text) or label)
        yield Found(
            f"{stem(key)}/{row:05d}",
            split,
            label,
            key,
            row,
            caption,
            up_axis=read_up_axis(up, f"(of row {row} of {key})"),
        )


def read_up_axis(text: str, where: str = "") -> UpAxis | None:
    """The axis that a text such as `z`, `+Z`, `-y` or `y (mostly)` starts with; None for `?`, `unknown` or nothing.

    Raises:
        BadInput: for any other text, which must not pass for y; `where` says where it stands.
    """
    start = text.strip().lower()
    if named := _UP_AXIS.match(start):
        wanted = named[1].strip("+") + named[2]
        return next(axis for axis in _UP_AXES if axis == wanted)
    if start in _UNKNOWN_AXES or start.startswith("?"):
        return None
    raise BadInput(
        f"{text.strip()!r} {where} is no up axis; write {', '.join(_UP_AXES)}, or nothing".replace("  ", " ")
    )


LIST: Adapter = Adapter(
    name="list",
    title="list of objects",
    layout="a .csv, .tsv or .parquet table with the columns uri, label, caption, split (name and up_axis optional;"
    " a uri may end in #row), or .npz packs with points [N, P, 3] and labels (split, text and up_axis optional)",
    split="column, else the option `split`",
    label="column, underscores as spaces",
    caption="column, else `a <label>`",
    find=_list,
    options=(
        ("list", "the table or pack to take, comma-separated when several; the only one at the top when left out"),
        *((column_option(column), f"column that holds the {column}; `{column}` when left out") for column in _COLUMNS),
        *SELECTION_OPTIONS,
    ),
    parts=listed_parts,
)
