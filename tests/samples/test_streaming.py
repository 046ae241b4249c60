"""`open_webdataset` on real shards, with the workers of a real DataLoader and the ranks of real processes."""

import json
import os
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.samples import (
    DepthMaps,
    ImageRecipe,
    Meta,
    Painted,
    PaintedMeta,
    TornShard,
    WrongSample,
    decode_depth,
    encode_image,
    open_webdataset,
)
from storage.shards import ShardWriter

pytestmark = [
    # webdataset leaves the tars that it has read to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tar:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

SHARDS, EACH = 6, 5
EVERY = [f"toys/{number:02d}.x" for number in range(SHARDS * EACH)]


def painted(object_id: str) -> Painted:
    number = int(object_id[5:7])
    maps = np.full((2, 8, 8), number / 100, np.float32)
    picture = np.full((8, 8, 3), number, np.uint8)
    depth = DepthMaps.of(Meta(object_id=object_id, source="toys", split="train", label="toy"), maps)
    images = (encode_image(picture, ImageRecipe(format="png")),) * 2
    return Painted(PaintedMeta.of(depth.meta, prompts=("a toy",) * 2), depth.encoded, images, "png")


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(SHARDS):
        with ShardWriter(folder / f"shard-{shard:06d}.0123456789ab.tar") as writer:
            for object_id in EVERY[shard * EACH : (shard + 1) * EACH]:
                sample = painted(object_id)
                writer.add(sample.key, sample.fields())
    return [str(path) for path in sorted(folder.glob("*.tar"))]


def ids(samples: Any) -> list[str]:
    return [sample["json"]["object_id"] for sample in samples]


def test_samples_come_decoded_and_in_order(urls: list[str]) -> None:
    samples = list(open_webdataset(urls))
    assert ids(samples) == EVERY
    last = samples[-1]
    names = {"__key__", "__url__", "__local_path__", "00.png", "01.png", "depth.npy", "json"}
    assert set(last) == names
    assert last["__key__"] == "toys%2F29%2Ex"
    assert last["json"] == json.loads(painted(EVERY[-1]).fields()["json"])
    assert last["00.png"].tolist() == np.full((8, 8, 3), 29).tolist()
    assert np.array_equal(last["depth.npy"], decode_depth(painted(EVERY[-1]).encoded_depth))


def test_samples_come_typed(urls: list[str]) -> None:
    samples = list(open_webdataset(urls, Painted))
    assert [sample.meta.object_id for sample in samples] == EVERY
    assert samples[3].fields() == painted(EVERY[3]).fields()
    assert int(samples[7].picture(1).mean()) == 7


def test_a_shuffle_is_one_order_per_seed(urls: list[str]) -> None:
    first, again, other = (ids(open_webdataset(urls, shuffle=8, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert sorted(first) == sorted(other) == EVERY
    assert first != other
    shards = [int(object_id[5:7]) // EACH for object_id in first]
    assert shards[0] != 0 or shards[-1] != SHARDS - 1, "shards are shuffled, not only samples"
    assert max(Counter(shards[: EACH + 3]).values()) < EACH, "samples of several shards mix"


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_share_the_shards(urls: list[str], workers: int) -> None:
    """In a process of its own: a fork of one that runs servers and threads is no fair worker."""
    command = [sys.executable, "-c", EPOCHS, str(workers), *urls]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    orders = json.loads(ended.stdout)
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == EVERY


EPOCHS = """
import json, sys, warnings
warnings.simplefilter("ignore")
from torch.utils.data import DataLoader
from opendlign_core.samples import open_webdataset
workers, *urls = sys.argv[1:]
loader = DataLoader(open_webdataset(urls, shuffle=4, seed=5), batch_size=None, num_workers=int(workers))
print(json.dumps([[sample["json"]["object_id"] for sample in loader] for _ in range(2)]))
"""

RANK = """
import json, sys, warnings
warnings.simplefilter("ignore")
from torch.utils.data import DataLoader
from opendlign_core.samples import open_webdataset
loader = DataLoader(open_webdataset(sys.argv[1:], shuffle=4, seed=7), batch_size=None, num_workers=2)
print(json.dumps([sample["json"]["object_id"] for sample in loader]))
"""


@pytest.mark.timeout(300)
def test_ranks_and_their_workers_share_the_shards(urls: list[str]) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, *urls],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    shares = [json.loads(run.communicate()[0]) for run in runs]
    assert [len(share) for share in shares] == [15, 15]
    assert sorted(shares[0] + shares[1]) == EVERY


def test_a_consumer_without_a_shard_says_so(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="fewer shards than workers"):
        list(open_webdataset(urls[:1]))


def test_shards_of_another_kind_and_pickles_are_refused(tmp_path: Path) -> None:
    pickled = (
        b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    )
    with ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("toys%2Fa", {"json": b"{}", "tokens.npy": pickled, "note.pickle": b"cos\nsystem\n(S'exit'\ntR."})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        list(open_webdataset([str(tmp_path / "a.tar")]))
    with pytest.raises(WrongSample, match="toys/a: its json is not a PaintedMeta"):
        list(open_webdataset([str(tmp_path / "a.tar")], Painted))


def test_a_torn_shard_is_an_error(urls: list[str], tmp_path: Path) -> None:
    torn = tmp_path / "torn.tar"
    torn.write_bytes(Path(urls[0]).read_bytes()[:3000])
    with pytest.raises(TornShard, match=r"torn\.tar: could not be read to the end"):
        list(open_webdataset([str(torn)]))


@pytest.fixture
def cut_between_samples(urls: list[str], tmp_path: Path) -> Path:
    """A shard whose last two samples are missing, and with them the end of the archive."""
    with tarfile.open(urls[0]) as tar:
        whole = [member for member in tar if member.name.startswith("toys%2F03")]
    cut = tmp_path / "cut.tar"
    cut.write_bytes(Path(urls[0]).read_bytes()[: whole[0].offset])
    return cut


@contextmanager
def serving(shard: Path, announced: int | None) -> Iterator[str]:
    """The URL of a shard on a server that ends the connection with the file, whatever length it announced."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if announced is not None:
                self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(shard.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{shard.name}"
        finally:
            server.shutdown()
            thread.join()


def test_a_shard_cut_between_two_samples_is_an_error(cut_between_samples: Path) -> None:
    with pytest.raises(TornShard, match=r"cut\.tar: could not be read to the end"):
        list(open_webdataset([str(cut_between_samples)]))


def test_shards_are_read_over_http(urls: list[str]) -> None:
    with serving(Path(urls[1]), Path(urls[1]).stat().st_size) as url:
        assert ids(open_webdataset([url])) == EVERY[EACH : 2 * EACH]


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_download_that_breaks_off_between_two_samples_is_an_error(
    urls: list[str], cut_between_samples: Path, tells_length: bool
) -> None:
    announced = Path(urls[0]).stat().st_size if tells_length else None
    with serving(cut_between_samples, announced) as url, pytest.raises(TornShard, match="end") as raised:
        list(open_webdataset([f"{url}?signature=secret"]))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pipe:touch /tmp/owned", "are read from paths and http"),
        ("s3://bucket/shard.tar", "opendlign urls"),
        ("/data/my#store/shard.tar", "'#' or '\\?'"),
        ("/data/what?/shard.tar", "'#' or '\\?'"),
    ],
)
def test_what_webdataset_would_run_or_misread_is_refused(url: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        open_webdataset([url])
    with pytest.raises(BadInput, match="no shard"):
        open_webdataset([])
