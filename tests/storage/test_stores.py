"""What every store promises, asked of the folder and of the bucket alike."""

import errno
import os
import pickle
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from storage.errors import InvalidKey, InvalidStoreUrl, StoreFull, StoreUnavailable
from storage.local import LocalStore
from storage.s3 import S3Store
from storage.settings import Settings
from storage.store import Store
from storage.stores import open_store
from tests.servers import ROOT, S3_KEY, S3_SECRET, FaultyProxy, S3Server
from tests.storage.conftest import settings_for

MakeFile = Callable[..., Path]


def keys(store: Store, folder: str = "") -> list[str]:
    return [info.key for info in store.list(folder)]


def test_an_object_comes_back_whole_and_by_ranges(store: Store, make_file: MakeFile) -> None:
    content = bytes(range(256)) * 50
    store.put_file(make_file(content), "stage/a.tar")
    assert store.read("stage/a.tar") == content
    with store.open("stage/a.tar") as stream:
        assert stream.read(10) == content[:10]
        stream.seek(-5, os.SEEK_END)
        assert stream.read() == content[-5:]
        stream.seek(300)
        assert stream.read(3) == content[300:303]
        assert (stream.tell(), stream.readable(), stream.seekable()) == (303, True, True)
        stream.seek(-2, os.SEEK_CUR)
        assert stream.read(2) == content[301:303]
        stream.seek(0)
        assert stream.read() == content
        assert stream.read(1) == b""
        stream.seek(len(content) + 5)
        assert stream.read() == b""
    assert store.exists("stage/a.tar")
    assert not store.exists("stage/a.ta")
    assert not store.exists("stage")
    store.put_file(make_file(b"other"), "stage/a.tar")
    assert store.read("stage/a.tar") == b"other"


def test_a_store_shows_its_place_and_nothing_else(store: Store) -> None:
    assert repr(store) == f"{type(store).__name__}({store.url!r})"


def test_an_empty_object_is_an_object(store: Store, make_file: MakeFile) -> None:
    store.put_file(make_file(b""), "empty")
    assert (store.exists("empty"), store.read("empty")) == (True, b"")
    with store.open("empty") as stream:
        assert stream.read() == b""


def test_what_is_not_there_is_not_found(store: Store) -> None:
    store.put_if_absent("a/b/c", b"1")
    assert not store.exists("nothing")
    assert not store.exists("a/b"), "a folder is no object"
    with pytest.raises(FileNotFoundError, match="nothing"):
        store.read("nothing")
    with pytest.raises(FileNotFoundError, match="nothing"):
        store.open("nothing")
    store.delete("nothing")


def test_a_listing_is_sorted_fresh_and_stays_in_its_folder(store: Store) -> None:
    assert keys(store) == []
    assert keys(store, "stage") == []
    for key in ("stage/b", "stage/a/z", "stage/a.json", "stage-two/x", "stage/\u00e9 ?#%", "top"):
        assert store.put_if_absent(key, key.encode())
    assert keys(store, "stage") == ["stage/a.json", "stage/a/z", "stage/b", "stage/\u00e9 ?#%"]
    assert keys(store) == sorted(["stage-two/x", "top", *keys(store, "stage")])
    assert {info.key: info.size for info in store.list()}["stage/a/z"] == len("stage/a/z")
    assert keys(store, "stage/a") == ["stage/a/z"]
    assert keys(store, "top") == []
    assert [info.key for info in store.list("stage", "a")] == ["stage/a.json", "stage/a/z"]
    assert [info.key for info in store.list(starting="stage-")] == ["stage-two/x"]
    store.delete("stage/a/z")
    assert keys(store, "stage/a") == []


def test_listings_of_many_pages_are_complete(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.s3.PAGE_KEYS", 3)
    names = [f"many/{number:05d}" for number in range(10)]
    for name in names:
        s3_store.put_if_absent(name, b"x")
    assert keys(s3_store, "many") == names


def test_the_first_to_put_if_absent_wins(store: Store) -> None:
    assert store.put_if_absent("record", b"first") is True
    assert store.put_if_absent("record", b"second") is False
    assert store.put_if_absent("record", b"first") is False
    assert store.read("record") == b"first"


def test_an_object_is_shared_with_programs_that_know_no_store(store: Store, make_file: MakeFile) -> None:
    key = "stage/a%2Fb c.tar"
    store.put_file(make_file(b"content"), key)
    shared = store.share_url(key, timedelta(minutes=5))
    if isinstance(store, LocalStore):
        assert Path(shared).read_bytes() == b"content"
        return
    with urllib.request.urlopen(shared, timeout=10) as answer:
        assert answer.read() == b"content"
    assert "X-Amz-Expires=300&" in shared
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in shared
    assert S3_SECRET not in shared


TURNS = 20
RACER = """
import sys, time
from storage.stores import open_store
store, me, start = open_store(sys.argv[1]), sys.argv[2], float(sys.argv[3])
store.exists("warm-up")
time.sleep(max(0, start - time.time()))
won = [store.put_if_absent(f"race/{turn:03d}", me.encode() * 100) for turn in range(int(sys.argv[4]))]
print("".join("1" if mine else "0" for mine in won))
"""


def environment(s3: S3Server | None = None) -> dict[str, str]:
    """For child processes: how to reach the S3 server."""
    extra = {"OPENDLIGN_S3_KEY": S3_KEY, "OPENDLIGN_S3_SECRET": S3_SECRET, "OPENDLIGN_S3_REGION": "us-east-1"}
    endpoint = {"OPENDLIGN_S3_ENDPOINT": s3.url} if s3 else {}
    return {**os.environ, "PYTHONPATH": str(ROOT), **extra, **endpoint}


def test_of_two_processes_exactly_one_puts_each_key(store: Store, s3: S3Server) -> None:
    import time

    start = str(time.time() + 3)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, store.url, name, start, str(TURNS)],
            env=environment(s3),
            stdout=subprocess.PIPE,
        )
        for name in "ab"
    ]
    won = [racer.communicate(timeout=60)[0].decode().strip() for racer in racers]
    for turn, (first, second) in enumerate(zip(*won, strict=True)):
        assert first != second, f"turn {turn} was won by {'both' if first == '1' else 'nobody'}"
        assert store.read(f"race/{turn:03d}") == (b"a" if first == "1" else b"b") * 100
    assert len(won[0]) == TURNS


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a/", "a\0b"])
def test_a_key_stays_inside_its_store(store: Store, key: str) -> None:
    for act in (store.read, store.exists, store.delete, store.open, lambda key: store.put_if_absent(key, b"x")):
        with pytest.raises(InvalidKey, match="stay inside"):
            act(key)


def test_a_store_survives_pickling(store: Store, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(s3).items():
        monkeypatch.setenv(name, value)
    store.put_if_absent("a", b"1")
    copy = pickle.loads(pickle.dumps(store))
    assert (copy.url, copy.read("a")) == (store.url, b"1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_reads_on_its_own_connection(store: Store) -> None:
    store.put_if_absent("a", b"1")
    child = os.fork()
    if child == 0:
        os._exit(0 if store.read("a") == b"1" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.read("a") == b"1"


def test_open_store_picks_by_url(tmp_path: Path) -> None:
    local = open_store(tmp_path)
    assert isinstance(local, LocalStore)
    assert isinstance(local, Store)
    assert local.url == str(tmp_path)
    bucket = open_store("s3://bucket//pre/fix/", Settings())
    assert isinstance(bucket, S3Store)
    assert isinstance(bucket, Store)
    assert bucket.url == "s3://bucket/pre/fix"
    assert open_store("s3://bucket", Settings()).url == "s3://bucket"


@pytest.mark.parametrize(
    "url",
    ["https://user:hunter2@host/x", "s3:/bucket/x", "gs://bucket", "s3://", "s3://key:hunter2@bucket/x", "", " "],
)
def test_a_url_that_is_no_store_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidStoreUrl, match="s3://bucket/prefix") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


def test_a_folder_in_the_way_of_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="a file stands where a folder should be"):
        LocalStore(tmp_path / "file").put_if_absent("a", b"1")
    with pytest.raises(StoreUnavailable, match="a file stands where a folder should be"):
        list(LocalStore(tmp_path / "file").list())


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EXDEV])
def test_a_disk_that_cannot_link_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    store = LocalStore(tmp_path)
    with pytest.raises(StoreUnavailable, match=f"{re.escape(str(tmp_path))}: writing a failed: .*(another|one)"):
        store.put_if_absent("a", b"1")
    assert keys(store) == []
    assert not list((tmp_path / ".scratch").iterdir())


def test_leftovers_are_old_scratch_files_only(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert store.leftovers(timedelta(0)) == []
    store.put_if_absent("a", b"1")
    old, young = tmp_path / ".scratch" / "old", tmp_path / ".scratch" / "young"
    old.write_bytes(b"123")
    young.write_bytes(b"123")
    os.utime(old, (0, 0))
    found = store.leftovers(timedelta(hours=1))
    assert [(info.key, info.size) for info in found] == [(".scratch/old", 3)]
    assert keys(store) == ["a"]
    store.delete(found[0].key)
    assert (old.exists(), young.exists()) == (False, True)


def test_leftovers_of_a_bucket_are_unfinished_uploads(s3_store: S3Store, s3: S3Server) -> None:
    other = S3Store("s3://bucket/elsewhere", settings_for(s3.url))
    client = s3_store._client
    for store in (s3_store, other):
        client.request("create_multipart_upload", "x", Bucket="bucket", Key=store._key("stage/a.tar"))
    assert s3_store.leftovers(timedelta(days=365 * 50)) == []
    (found,) = s3_store.leftovers(timedelta(seconds=-60))
    assert found.key.startswith(".uploads/")
    assert found.key.endswith("/stage/a.tar")
    assert keys(s3_store) == []
    s3_store.delete(found.key)
    s3_store.delete(found.key)
    assert s3_store.leftovers(timedelta(seconds=-60)) == []
    assert len(other.leftovers(timedelta(seconds=-60))) == 1


class Uploads(BaseHTTPRequestHandler):
    """A bucket with more unfinished uploads than fit on one page."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        after = (asked.get("key-marker", [""])[0], asked.get("upload-id-marker", [""])[0])
        uploads = [(f"p/{number // 2}.tar", f"id-{number}") for number in range(5)]
        rest = [upload for upload in uploads if upload > after]
        listed = "".join(
            f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>"
            for key, name in rest[:2]
        )
        more = f"<IsTruncated>{str(len(rest) > 2).lower()}</IsTruncated>"
        if len(rest) > 2:
            key, name = rest[1]
            more += f"<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{name}</NextUploadIdMarker>"
        body = f"<ListMultipartUploadsResult>{listed}{more}</ListMultipartUploadsResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


def test_leftovers_on_every_page_are_found() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Uploads) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            store = S3Store("s3://bucket/p", settings_for(f"http://127.0.0.1:{server.server_port}"))
            found = [info.key for info in store.leftovers(timedelta(days=1))]
        finally:
            server.shutdown()
    assert found == [f".uploads/id-{number}/{number // 2}.tar" for number in range(5)]


def test_large_files_travel_in_parts(s3_store: S3Store, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.s3.PART_BYTES", 5 << 20)
    content = os.urandom((21 << 20) + 17)
    s3_store.put_file(make_file(content), "large.tar")
    with s3_store.open("large.tar") as stream:
        parts = list(iter(lambda: stream.read(7 << 20), b""))
    assert b"".join(parts) == content
    assert s3_store.leftovers(timedelta(seconds=-60)) == []


def test_parts_grow_with_a_file_that_would_have_too_many(
    proxied_store: S3Store, proxy: FaultyProxy, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.s3.PART_BYTES", 5 << 20)
    monkeypatch.setattr("storage.s3.MOST_PARTS", 2)
    proxied_store.put_file(make_file(bytes(12 << 20)), "large.tar")
    assert len([line for line in proxy.requests() if "partNumber=" in line]) == 2


def test_an_object_appears_at_once(store: Store, make_file: MakeFile) -> None:
    """Whoever looks while a large file is put sees all of it or nothing."""
    large = make_file(bytes(24 << 20))
    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        putting = pool.submit(store.put_file, large, "stage/large.tar")
        while not putting.done():
            seen += (info.size for info in store.list("stage"))
    putting.result()
    assert set(seen) <= {24 << 20}


FILLER = """
import resource, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from storage.stores import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
store = open_store(sys.argv[1])
store.put_file(Path(sys.argv[2]), "stage/large.tar")
"""


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path, make_file: MakeFile) -> None:
    """Stands in for a full disk where none can be mounted: the process may not write files of this size."""
    store = LocalStore(tmp_path / "store")
    large = make_file(bytes(100_000))
    ended = subprocess.run(
        [sys.executable, "-c", FILLER, store.url, str(large)], env=environment(), capture_output=True, timeout=60
    )
    assert ended.returncode == 1
    assert b"StoreFull" in ended.stderr.splitlines()[-1]
    assert b"stage/large.tar" in ended.stderr.splitlines()[-1]
    assert keys(store) == []
    assert not list((tmp_path / "store" / ".scratch").iterdir())
    store.put_file(large, "stage/large.tar")
    assert store.read("stage/large.tar") == bytes(100_000)


def test_a_disk_that_is_really_full(tmp_path: Path, make_file: MakeFile) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a small disk")
    try:
        store = LocalStore(disk / "store")
        assert store.put_if_absent("stage/a", bytes(1000))
        with pytest.raises(StoreFull, match=r"stage/large.*disk is full"):
            store.put_file(make_file(os.urandom(400_000)), "stage/large")
        store.put_file(make_file(os.urandom(200_000)), "stage/fits")
        with pytest.raises(StoreFull, match=r"stage/record.*disk is full"):
            store.put_if_absent("stage/record", bytes(100_000))
        assert keys(store) == ["stage/a", "stage/fits"]
        store.delete("stage/fits")
        assert store.put_if_absent("stage/record", bytes(100_000))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
