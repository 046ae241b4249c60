"""A bad network: retried in one layer only, bounded in time, and never an object by halves."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import StoreUnavailable, UnsuitableStore
from storage.s3 import S3Store
from storage.settings import Settings
from tests.servers import S3_KEY, S3_SECRET, FaultyProxy, S3Server, free_port
from tests.storage.conftest import settings_for

MakeFile = Callable[..., Path]
Act = Callable[[S3Store], object]

READS: dict[str, Act] = {
    "read": lambda store: store.read("there"),
    "exists": lambda store: store.exists("there"),
    "list": lambda store: list(store.list()),
    "open": lambda store: store.open("there").read(),
    "put_if_absent": lambda store: store.put_if_absent("new", b"1"),
    "delete": lambda store: store.delete("there"),
}


def warm_up(store: S3Store, proxy: FaultyProxy) -> None:
    """Let the store ask its server what it asks only once."""
    store.put_if_absent("there", b"content")
    proxy.reset()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short time-outs and pauses."""
    monkeypatch.setattr("storage.s3_client.CONNECT_TIMEOUT", 1.5)
    monkeypatch.setattr("storage.s3_client.READ_TIMEOUT", 1.5)
    monkeypatch.setattr("storage.s3_client.FIRST_PAUSE", 0.02)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["error", "throttle", "reset", "lost", "cut"])
@pytest.mark.parametrize("act", READS)
def test_one_bad_answer_is_retried_once(
    s3_store: S3Store, proxied_store: S3Store, proxy: FaultyProxy, kind: str, act: str
) -> None:
    warm_up(proxied_store, proxy)
    READS[act](proxied_store)
    undisturbed = len(proxy.requests())
    s3_store.put_if_absent("there", b"content")
    s3_store.delete("new")
    proxy.reset()
    proxy.fault(kind)
    result = READS[act](proxied_store)
    more = len(proxy.requests()) - undisturbed
    # After a lost answer a put must look whose object it met. A short answer may arrive whole before the break.
    assert more == (2 if (act, kind) == ("put_if_absent", "lost") else 1) or (kind == "cut" and more == 0)
    assert result in (b"content", True, None) or isinstance(result, list)
    if act == "put_if_absent":
        # Also when the first answer was lost and the repeated put met the object of the first.
        assert result is True
        assert s3_store.read("new") == b"1"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("kind", "act"), [*((kind, act) for kind in ("error", "throttle", "reset") for act in READS), ("slow", "read")]
)
def test_a_server_that_stays_bad_is_asked_three_times(
    proxied_store: S3Store, proxy: FaultyProxy, kind: str, act: str
) -> None:
    warm_up(proxied_store, proxy)
    proxy.fault(kind, times=99, seconds=4)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="no answer after 3 attempts") as caught:
        READS[act](proxied_store)
    assert time.monotonic() - started < 15
    assert len(proxy.requests()) == 3
    assert proxied_store.url in str(caught.value)


@pytest.mark.usefixtures("quick")
def test_an_answer_that_trickles_is_given_up(
    s3_store: S3Store, proxied_store: S3Store, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte renews the read time-out, so only a limit on the whole attempt ends it."""
    s3_store.put_if_absent("there", bytes(1000))
    monkeypatch.setattr("storage.s3_client.SLOWEST_BYTES_PER_SECOND", 1 << 30)
    proxy.fault("trickle", times=99, seconds=0.1)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="no answer after 3 attempts"):
        proxied_store.read("there")
    assert time.monotonic() - started < 15
    assert len(proxy.requests()) == 3


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["error", "throttle", "reset", "lost"])
def test_a_file_is_put_whole_or_not_at_all(
    s3_store: S3Store, proxied_store: S3Store, proxy: FaultyProxy, make_file: MakeFile, kind: str
) -> None:
    content = os.urandom(300_000)
    proxy.fault(kind)
    proxied_store.put_file(make_file(content), "a.tar")
    assert s3_store.read("a.tar") == content
    assert len(proxy.requests()) == 2
    proxy.fault(kind, times=99)
    with pytest.raises(StoreUnavailable):
        proxied_store.put_file(make_file(content), "b.tar")
    assert s3_store.exists("b.tar") is (kind == "lost"), "only an object that arrived whole may be seen"


@pytest.mark.usefixtures("quick")
def test_a_failed_part_leaves_neither_object_nor_upload(
    s3_store: S3Store,
    proxied_store: S3Store,
    proxy: FaultyProxy,
    make_file: MakeFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from datetime import timedelta

    monkeypatch.setattr("storage.s3.PART_BYTES", 5 << 20)
    large = make_file(os.urandom(11 << 20))
    proxy.fault("error", times=99, method="PUT")
    with pytest.raises(StoreUnavailable):
        proxied_store.put_file(large, "large.tar")
    assert list(s3_store.list()) == []
    assert s3_store.leftovers(timedelta(seconds=-60)) == []


@pytest.mark.parametrize(("kind", "reason"), [("unconditional", "ignores"), ("unimplemented", "does not know")])
def test_a_server_without_conditional_puts_is_refused(
    s3_store: S3Store, proxied_store: S3Store, proxy: FaultyProxy, kind: str, reason: str
) -> None:
    """The last record would win instead of the first, and nobody would notice."""
    proxy.fault(kind, times=99)
    with pytest.raises(UnsuitableStore, match=rf"{proxied_store.url}: .*{reason} If-None-Match.*another server"):
        proxied_store.put_if_absent("record", b"1")
    assert not s3_store.exists("record")
    assert list(s3_store.list()) == []


def test_a_store_is_asked_once_whether_the_first_wins(proxied_store: S3Store, proxy: FaultyProxy) -> None:
    assert proxied_store.put_if_absent("a", b"1")
    assert [line.split()[0] for line in proxy.requests()] == ["PUT", "PUT", "PUT"]
    proxy.reset()
    for store in (proxied_store, S3Store(proxied_store.url, proxied_store._settings)):
        assert store.put_if_absent("a", b"2") is False
    assert len(proxy.requests()) == 2
    assert [info.key for info in proxied_store.list()] == ["a"]


def test_another_process_asks_again_with_one_request(
    s3_store: S3Store, proxied_store: S3Store, proxy: FaultyProxy
) -> None:
    s3_store.put_if_absent("a", b"1")
    proxied_store.put_if_absent("b", b"1")
    assert len(proxy.requests()) == 2


@pytest.mark.usefixtures("quick")
def test_a_lost_answer_is_no_proof_against_a_server(proxied_store: S3Store, proxy: FaultyProxy) -> None:
    proxy.fault("lost", times=2, method="PUT")
    assert proxied_store.put_if_absent("a", b"1")
    assert proxied_store.read("a") == b"1"


def test_a_loser_is_told_even_after_a_lost_answer(
    s3_store: S3Store, proxied_store: S3Store, proxy: FaultyProxy
) -> None:
    s3_store.put_if_absent("record", b"theirs")
    warm_up(proxied_store, proxy)
    proxy.fault("lost")
    assert proxied_store.put_if_absent("record", b"ours") is False
    assert s3_store.read("record") == b"theirs"


def test_retries_are_logged_by_key(
    proxied_store: S3Store, proxy: FaultyProxy, caplog: pytest.LogCaptureFixture
) -> None:
    warm_up(proxied_store, proxy)
    proxy.fault("throttle")
    with caplog.at_level(logging.WARNING, "storage"):
        proxied_store.put_if_absent("a/record", b"1")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("storage")] == [
        "a/record: attempt 1 failed (OSError), trying again"
    ]


@pytest.mark.usefixtures("quick")
def test_a_dead_endpoint_ends_soon() -> None:
    store = S3Store("s3://bucket/x", settings_for(f"http://127.0.0.1:{free_port()}"))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="s3://bucket/x: no answer after 3 attempts"):
        store.exists("a")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("act", READS)
def test_a_missing_bucket_is_one_clear_error(s3: S3Server, act: str) -> None:
    store = S3Store("s3://no-such-bucket/x", settings_for(s3.url))
    with pytest.raises(StoreUnavailable, match="s3://no-such-bucket/x: no such bucket"):
        READS[act](store)


def test_a_missing_prefix_is_an_empty_store(s3_store: S3Store) -> None:
    assert list(s3_store.list()) == []
    assert not s3_store.exists("x")


@pytest.mark.parametrize("act", READS)
def test_missing_credentials_are_named(s3: S3Server, act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    store = S3Store("s3://bucket/x", Settings(s3_endpoint=s3.url, s3_region="us-east-1"))
    with pytest.raises(StoreUnavailable, match="set OPENDLIGN_S3_KEY and OPENDLIGN_S3_SECRET"):
        READS[act](store)


def test_no_secret_shows_in_logs_errors_or_reprs(
    proxied_store: S3Store, proxy: FaultyProxy, caplog: pytest.LogCaptureFixture
) -> None:
    import traceback

    shown = [repr(proxied_store), str(proxied_store), proxied_store.url, repr(proxied_store._settings)]
    with caplog.at_level(logging.DEBUG):
        proxied_store.put_if_absent("a", b"1")
        proxy.fault("error", times=3)
        with pytest.raises(StoreUnavailable) as caught:
            proxied_store.read("a")
    shown += traceback.format_exception(caught.value)
    shown += [record.getMessage() for record in caplog.records if record.name.startswith("storage")]
    assert len(shown) > 6
    assert not [text for text in shown if S3_KEY in text or S3_SECRET in text]
    assert S3_SECRET not in caplog.text, "not even the libraries below may log it"
