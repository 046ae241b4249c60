"""How requests reach S3: one connection per process, one layer of retries, and errors that name the remedy.

The libraries below retry too, each on its own terms, which multiplies into minutes; all are told to try once.
"""

import errno
import logging
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from storage.errors import StoreUnavailable
from storage.settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
ATTEMPTS = 3
FIRST_PAUSE = 0.5
CONNECTIONS = 32
# A connection that trickles resets every read timeout; below this rate an attempt is given up.
SLOWEST_BYTES_PER_SECOND = 128 << 10

# What s3fs makes of 5xx, throttling and codes it does not know.
_PASSING_ERRNOS = frozenset({errno.EREMOTEIO, errno.EBUSY, errno.EIO})


class S3Client:
    """The s3fs file system of this process and the policy by which it is called."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._settings = settings

    @property
    def filesystem(self) -> Any:
        """Opened on first use and shared by all stores of a process; a forked child opens its own."""
        return _filesystem(os.getpid(), self._settings)

    def request(self, operation: str, what: str, **arguments: Any) -> Any:
        """One S3 operation, such as `put_object`; `what` names its object in errors."""
        limit = allowance(len(arguments.get("Body", b"")))
        return self.call(lambda: self.filesystem.call_s3(operation, timeout=limit, **arguments), what)

    def call(self, action: Callable[[], T], what: str) -> T:
        """Run an action, repeating it while its error may pass by itself."""
        try:
            return _retrying(what)(action)
        except FileNotFoundError as error:
            if error_code(error) == "NoSuchBucket":
                raise StoreUnavailable(f"{self._url}: no such bucket; create it or correct the URL") from error
            raise FileNotFoundError(f"{self._url}: no object {what}") from error
        except Exception as error:
            if message := _explanation(error):
                raise StoreUnavailable(f"{self._url}: {message}") from error
            raise


def allowance(size: int) -> float:
    """Seconds that one attempt to move `size` bytes may take."""
    return CONNECT_TIMEOUT + READ_TIMEOUT + size / SLOWEST_BYTES_PER_SECOND


def error_code(error: BaseException) -> str:
    """The code S3 gave, such as `NoSuchBucket`; empty where there was no answer."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


@lru_cache(maxsize=8)
def _filesystem(process: int, settings: Settings) -> Any:
    """Costs half a second. `process` is part of the key because connections must not be shared after a fork."""
    import s3fs
    from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]

    class OneAttemptSession(AIOHTTPSession):  # type: ignore[misc]
        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)
            # There is no public switch: aiohttp sends a request again when the connection broke under it. That would
            # double every attempt, and a put whose first answer got lost would take itself for somebody else's.
            session._retry_connection = False
            return session

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
            "max_pool_connections": CONNECTIONS,
            "retries": {"total_max_attempts": 1},
            "signature_version": "s3v4",  # shared URLs would otherwise be signed as regions after 2014 refuse
            "http_session_cls": OneAttemptSession,
            **(_COMPATIBLE if settings.s3_endpoint else {}),
        },
        use_listings_cache=False,
        skip_instance_cache=True,
    )


# Servers other than AWS often lack wildcard DNS and the newer checksum headers; ours are in the records.
_COMPATIBLE = {
    "s3": {"addressing_style": "path"},
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


def _retrying(what: str) -> Retrying:
    def note(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("%s: attempt %d failed (%s), trying again", what, state.attempt_number, type(error).__name__)

    return Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_PAUSE, max=8) + wait_random(0, FIRST_PAUSE),
        before_sleep=note,
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    """Whether an error is no definite answer: time-outs, resets, broken bodies, throttling, 5xx."""
    from botocore.exceptions import ConnectionError as BotoConnectionError  # type: ignore[import-untyped]
    from s3fs.core import S3_RETRYABLE_ERRORS

    if isinstance(error, (BotoConnectionError, ConnectionError, TimeoutError, *S3_RETRYABLE_ERRORS)):
        return True
    return type(error) is OSError and error.errno in _PASSING_ERRNOS


def _explanation(error: Exception) -> str:
    """What to tell the user; never the error's own text, which a server composes. Empty for errors of our own."""
    from botocore.exceptions import BotoCoreError

    if "credentials" in type(error).__name__.lower():
        return "no complete credentials found; set OPENDLIGN_S3_KEY and OPENDLIGN_S3_SECRET or the usual AWS variables"
    code = error_code(error) or type(error).__name__
    if isinstance(error, PermissionError):
        return f"access refused ({code}); check OPENDLIGN_S3_KEY, OPENDLIGN_S3_SECRET and the bucket's policy"
    if _may_pass(error):
        return f"no answer after {ATTEMPTS} attempts ({code}); check OPENDLIGN_S3_ENDPOINT and the network"
    if isinstance(error, (OSError, BotoCoreError)):
        return f"request refused ({code}); check the bucket's name, OPENDLIGN_S3_ENDPOINT and OPENDLIGN_S3_REGION"
    return ""
