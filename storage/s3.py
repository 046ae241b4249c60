"""A store in an S3 bucket, through s3fs. Objects appear whole because each is one put (or one completed upload)."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from storage.errors import StoreUnavailable
from storage.settings import Settings
from storage.stores import ObjectInfo

log = logging.getLogger(__name__)
T = TypeVar("T")

# The defaults of the libraries below wait for minutes, each layer with its own retries. One layer, bounded: ours.
CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
ATTEMPTS = 3

DEFINITE = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    IsADirectoryError,
    ValueError,
    TypeError,
    ImportError,
)


class S3Store:
    """Keys live below `s3://bucket/prefix/`. Credentials come from the settings or the usual AWS sources."""

    def __init__(self, url: str, settings: Settings) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise ValueError(f"store {url!r}: name a bucket, as in s3://bucket/prefix")
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self._settings = settings
        self._fs = _filesystem(settings)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def __reduce__(self) -> tuple[Any, ...]:
        # A connection must not cross into another process; the copy opens its own.
        return (S3Store, (self.url, self._settings))

    def list(self, folder: str = "") -> Iterator[ObjectInfo]:
        base = self._path(folder) if folder else f"{self.bucket}/{self.prefix}".rstrip("/")
        entries: dict[str, Any] = self._call(lambda: self._fs.find(base, detail=True), folder or self.url)
        start = len(f"{self.bucket}/{self.prefix}".rstrip("/")) + 1
        for name in sorted(entries):
            if not folder or name.startswith(base.rstrip("/") + "/"):
                yield ObjectInfo(name[start:], int(entries[name]["size"]))

    def exists(self, key: str) -> bool:
        return bool(self._call(lambda: self._fs.isfile(self._path(key)), key))

    def read(self, key: str) -> bytes:
        return cast("bytes", self._call(lambda: self._fs.cat_file(self._path(key)), key))

    def open(self, key: str) -> BinaryIO:
        opened = self._call(lambda: self._fs.open(self._path(key), "rb", block_size=8 << 20), key)
        return cast("BinaryIO", opened)

    def put_file(self, path: Path, key: str) -> None:
        self._call(lambda: self._fs.put_file(str(path), self._path(key)), key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        def create() -> bool:
            try:
                self._fs.pipe_file(self._path(key), data, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                if _is_precondition_failure(error):
                    return False
                raise
            return True

        return bool(self._call(create, key))

    def delete(self, key: str) -> None:
        def remove() -> None:
            try:
                self._fs.rm_file(self._path(key))
            except FileNotFoundError:
                log.debug("%s was already gone", key)

        self._call(remove, key)

    def _path(self, key: str) -> str:
        if not key or key.startswith("/") or ".." in key.split("/"):
            raise ValueError(f"key {key!r} must be relative and stay inside the store")
        return "/".join(part for part in (self.bucket, self.prefix, key) if part)

    def _call(self, action: Callable[[], T], what: str) -> T:
        """Run one request, repeating what may pass by itself; errors name the bucket, never the credentials."""
        try:
            for attempt in _retrying(what):
                with attempt:
                    return action()
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.url}: no {what} (or no such bucket)") from error
        except PermissionError as error:
            raise StoreUnavailable(f"{self.url}: access refused; check OPENDLIGN_S3_KEY and _SECRET") from error
        except DEFINITE:
            raise
        except Exception as error:
            raise StoreUnavailable(f"{self.url}: {_advice(error)}") from error
        raise AssertionError("the retry loop returns or raises")


def _filesystem(settings: Settings) -> Any:
    import s3fs

    class OneAttemptFileSystem(s3fs.S3FileSystem):  # type: ignore[misc]
        retries = 1

    key, secret = settings.s3_key, settings.s3_secret
    return OneAttemptFileSystem(
        key=key.get_secret_value() if key else None,
        secret=secret.get_secret_value() if secret else None,
        endpoint_url=settings.s3_endpoint,
        client_kwargs={"region_name": settings.s3_region} if settings.s3_region else {},
        config_kwargs={
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "retries": {"total_max_attempts": 1},
        },
        use_listings_cache=False,
        skip_instance_cache=True,
    )


def _retrying(what: str) -> Retrying:
    def note(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("%s: attempt %d failed (%s), trying again", what, state.attempt_number, type(error).__name__)

    return Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(initial=0.5, max=8),
        before_sleep=note,
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    """Whether an error is no definite answer: time-outs, resets, throttling, 5xx."""
    lacks_credentials = "credentials" in type(error).__name__.lower()
    return isinstance(error, Exception) and not isinstance(error, DEFINITE) and not lacks_credentials


def _is_precondition_failure(error: OSError) -> bool:
    text = f"{error} {error.__cause__}"
    return "PreconditionFailed" in text or "pre-conditions" in text


def _advice(error: Exception) -> str:
    if "credentials" in type(error).__name__.lower():
        return "no credentials found; set OPENDLIGN_S3_KEY and OPENDLIGN_S3_SECRET or the usual AWS variables"
    return f"no answer after {ATTEMPTS} attempts ({type(error).__name__}); check OPENDLIGN_S3_ENDPOINT and the network"
