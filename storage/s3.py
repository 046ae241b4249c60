"""A store in an S3 bucket, through s3fs. Objects appear whole because each is one put (or one completed upload)."""

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from storage.errors import InvalidStoreUrl
from storage.first_wins import PROBE, require_first_wins
from storage.s3_client import S3Client, allowance, error_code
from storage.settings import Settings
from storage.store import SHARED_FOR, ObjectInfo, check_key

# Parts are held in memory while they travel: PART_BYTES * PARALLEL_PARTS.
PART_BYTES = 16 << 20
PARALLEL_PARTS = 4
MOST_PARTS = 10_000
RANGE_BYTES = 8 << 20
PAGE_KEYS = 1000

# Interrupted multipart uploads, which S3 keeps (and bills) unseen, go by keys in this folder.
UPLOADS = ".uploads"

# How each listing goes on: the argument that asks for the next page, and where the last page gives its value.
_CONTINUED = {
    "list_objects_v2": {"ContinuationToken": "NextContinuationToken"},
    "list_multipart_uploads": {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"},
}

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")


class S3Store:
    """Keys live below `s3://bucket/prefix/`. Credentials come from the settings or the usual AWS sources."""

    def __init__(self, url: str, settings: Settings) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket):
            # The URL itself stays out of the message: it may hold a password.
            raise InvalidStoreUrl(
                "an S3 store is s3://bucket/prefix, with nothing but a bucket's name before the slash"
            )
        self.bucket = bucket
        self.prefix = "/".join(part for part in prefix.split("/") if part)
        self._settings = settings
        self._client = S3Client(self.url, settings)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A connection must not cross into another process; the copy opens its own.
        return (S3Store, (self.url, self._settings))

    def list(self, folder: str = "", starting: str = "") -> Iterator[ObjectInfo]:
        base = self._key(folder) if folder else self.prefix
        prefix = (f"{base}/" if base else "") + starting
        for page in self._pages("list_objects_v2", Prefix=prefix, MaxKeys=PAGE_KEYS):
            for entry in page.get("Contents", ()):
                found = self._info(entry)
                if found.key != PROBE and not found.key.endswith("/"):  # consoles put empty objects as folders
                    yield found

    def exists(self, key: str) -> bool:
        return self._find(key) is not None

    def read(self, key: str) -> bytes:
        path, filesystem = f"{self.bucket}/{self._key(key)}", self._client.filesystem
        # One worker means one request: without it s3fs asks for the size first.
        content = self._client.call(
            lambda: filesystem.cat_file(path, max_concurrency=1, timeout=allowance(RANGE_BYTES)), key
        )
        return cast("bytes", content)

    def open(self, key: str) -> BinaryIO:
        found = self._find(key)
        if found is None:
            raise FileNotFoundError(f"{self.url}: no object {key}")
        return io.BufferedReader(_Ranges(self, key, found.size), RANGE_BYTES)

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """The bytes of the half-open, non-empty range."""
        path, filesystem = f"{self.bucket}/{self._key(key)}", self._client.filesystem
        content = self._client.call(
            lambda: filesystem.cat_file(path, start=start, end=stop, timeout=allowance(stop - start)), key
        )
        return cast("bytes", content)

    def share_url(self, key: str, lifetime: timedelta = SHARED_FOR) -> str:
        path, filesystem = f"{self.bucket}/{self._key(key)}", self._client.filesystem
        signed = self._client.call(lambda: filesystem.url(path, expires=int(lifetime.total_seconds())), key)
        return cast("str", signed)

    def put_file(self, path: Path, key: str) -> None:
        size = path.stat().st_size
        target, filesystem = f"{self.bucket}/{self._key(key)}", self._client.filesystem
        part = max(PART_BYTES, math.ceil(size / MOST_PARTS))

        def put() -> None:
            filesystem.put_file(
                str(path), target, chunksize=part, max_concurrency=PARALLEL_PARTS, timeout=allowance(size)
            )

        self._client.call(put, key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        check_key(key)
        require_first_wins(self._settings.s3_endpoint, self.url, self._create)
        return self._create(key, data)

    def _create(self, key: str, data: bytes) -> bool:
        attempts = 0

        def create() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                self._client.filesystem.call_s3(
                    "put_object",
                    Bucket=self.bucket,
                    Key=self._key(key),
                    Body=data,
                    IfNoneMatch="*",
                    timeout=allowance(len(data)),
                )
            except OSError as error:
                if error_code(error) == "PreconditionFailed":
                    return False
                raise
            return True

        if self._client.call(create, key):
            return True
        # After a lost answer, what stands in the way may be our own first attempt.
        return attempts > 1 and self.read(key) == data

    def delete(self, key: str) -> None:
        if key.startswith(f"{UPLOADS}/"):
            _, upload, name = key.split("/", 2)
            with suppress(FileNotFoundError):  # it was finished or aborted meanwhile
                self._request("abort_multipart_upload", key, Key=self._key(name), UploadId=upload)
        else:
            self._request("delete_object", key, Key=self._key(key))

    def leftovers(self, older_than: timedelta) -> Sequence[ObjectInfo]:
        latest = datetime.now(UTC) - older_than
        prefix = f"{self.prefix}/" if self.prefix else ""
        return [
            ObjectInfo(f"{UPLOADS}/{upload['UploadId']}/{self._relative(upload['Key'])}", 0)
            for page in self._pages("list_multipart_uploads", Prefix=prefix)
            for upload in page.get("Uploads", ())
            if upload["Initiated"] < latest
        ]

    def _find(self, key: str) -> ObjectInfo | None:
        """What is under exactly this key. A listing, because a HEAD cannot tell a lost key from a lost bucket."""
        full = self._key(key)
        answer = self._request("list_objects_v2", key, Prefix=full, MaxKeys=1)
        first = next(iter(answer.get("Contents", ())), None)
        return self._info(first) if first and first["Key"] == full else None

    def _info(self, entry: dict[str, Any]) -> ObjectInfo:
        modified = entry["LastModified"].timestamp()
        return ObjectInfo(self._relative(entry["Key"]), int(entry["Size"]), modified, entry.get("ETag", ""))

    def _pages(self, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        while True:
            page = self._request(operation, "the listing", **arguments)
            yield page
            if not page.get("IsTruncated"):
                return
            arguments |= {name: page[source] for name, source in _CONTINUED[operation].items()}

    def _request(self, operation: str, what: str, **arguments: Any) -> dict[str, Any]:
        answer = self._client.request(operation, what, Bucket=self.bucket, **arguments)
        return cast("dict[str, Any]", answer)

    def _key(self, key: str) -> str:
        check_key(key)
        return f"{self.prefix}/{key}" if self.prefix else key

    def _relative(self, full: str) -> str:
        return full[len(self.prefix) + 1 :] if self.prefix else full


class _Ranges(io.RawIOBase):
    """An object read range by range, so that every request is retried like any other."""

    def __init__(self, store: S3Store, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        content = self._store.read_range(self._key, self._position, stop)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
