"""The numbers that docs/storage.md tells users, in the code."""

from datetime import timedelta

import pytest

from storage import fetch, s3, s3_client
from storage.collect import ABANDONED
from storage.fingerprint import FINGERPRINT_LENGTH
from storage.store import SHARED_FOR


def test_ages() -> None:
    assert timedelta(days=1) == ABANDONED
    assert timedelta(hours=12) == SHARED_FOR


def test_sizes() -> None:
    assert FINGERPRINT_LENGTH == 20
    assert 2 * s3.PART_BYTES == 32 << 20, "s3fs sends larger files in parts"
    assert s3.PART_BYTES * s3.PARALLEL_PARTS == 64 << 20, "what one upload holds in memory"
    assert (s3.MOST_PARTS, s3.PAGE_KEYS) == (10_000, 1000), "limits of S3"
    assert fetch.BLOCK == s3.RANGE_BYTES == 8 << 20


@pytest.mark.parametrize(("size", "seconds"), [(0, 70), (128 << 10, 71), (128 << 20, 70 + 1024)])
def test_an_attempt_has_seventy_seconds_and_what_its_bytes_need(size: int, seconds: float) -> None:
    assert s3_client.allowance(size) == seconds
    assert s3_client.ATTEMPTS == 3
