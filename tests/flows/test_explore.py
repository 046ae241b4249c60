"""`opendlign explore`: its pages over HTTP, and a visitor's way through them in a real browser."""

import io
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from opendlign.explore.listening import HOST, listening
from opendlign.explore.server import build_server
from opendlign.explore.turnable import normals, packed
from opendlign.models import Which, find
from opendlign_core.errors import BadInput
from tests.browser.test_report import CHROMIUM
from tests.cli.terminal import Terminal
from tests.cubes import CUBE
from tests.threads import torch_threads

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.xdist_group("flows")]
OWN = {"X-Opendlign": "1"}


@pytest.fixture(scope="module")
def url(finished_store: Path, tiny_preset: str) -> Iterator[str]:
    """Where the tiny chain's model is shown."""
    with torch_threads(2):
        application = build_server(find(Which(preset=tiny_preset, store=str(finished_store))))
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off"))
    with listening(HOST, 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://{HOST}:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as opened:
        yield opened


def first_shape(client: httpx.Client) -> str:
    return client.get("/", params={"q": "a mug"}).text.partition('href="/shape?id=')[2].partition('"')[0]


def test_words_find_shapes_of_the_store(client: httpx.Client) -> None:
    page = client.get("/", params={"q": "a mug"})
    assert page.status_code == 200
    assert page.text.count('href="/shape?id=procedural') == 24
    trained_on = page.text.count(">trained on<")
    assert 0 < trained_on < 24 and f"{trained_on} of these 24 it was trained on" in page.text


def test_a_hit_is_drawn_in_its_colours(client: httpx.Client) -> None:
    drawn = client.get("/picture", params={"id": first_shape(client).replace("%2F", "/")})
    assert drawn.headers["content-type"] == "image/webp"
    pixels = np.asarray(Image.open(io.BytesIO(drawn.content)).convert("RGB"), np.int16)
    assert np.ptp(pixels, axis=2).max() > 40, "no grey depth map"
    assert client.get("/picture", params={"id": "nosuch"}).status_code == 404


def test_a_shape_is_not_like_itself(client: httpx.Client) -> None:
    shape = first_shape(client)
    page = client.get(f"/shape?id={shape}").text
    alike = page.partition('id="hits"')[2]
    assert alike.count('href="/shape?id=') == 23 and f'href="/shape?id={shape}"' not in alike
    assert "trained on" in page.partition("</h1>")[2].partition("</p>")[0]


def test_a_shape_has_views_images_and_labels_of_both_branches(client: httpx.Client) -> None:
    page = client.get(f"/shape?id={first_shape(client)}&labels=chair,mug,<b>")
    assert page.text.count('alt="depth map"') == page.text.count('alt="painted image"') == 10
    assert page.text.count('class="bar-note"') == 6
    frozen, tuned = page.text.partition('id="frozen"')[2].partition('id="tuned"')[::2]
    assert re.findall(r"\d+\.\d %", frozen) != re.findall(r"\d+\.\d %", tuned)[:3], "training changes what is said"
    assert "<b>" not in page.text.partition('id="frozen"')[2].replace("<b>mug</b>", "").partition("<h2")[0]


@pytest.mark.parametrize("path", ["/shape?id=nosuch", "/shape?file=0", "/?file=0", "/points?id=nosuch"])
def test_what_is_not_there_is_told_in_a_sentence(path: str, client: httpx.Client) -> None:
    page = client.get(path)
    assert page.status_code == 400
    assert 'role="alert"' in page.text


def test_a_shape_is_drawn_as_the_mesh_behind_its_points(client: httpx.Client) -> None:
    name = first_shape(client)
    answer = client.get(f"/mesh?id={name}")
    assert answer.status_code == 200
    corners = np.frombuffer(answer.content, "<f4", len(answer.content) // 39 * 9).reshape(-1, 3)
    points = np.frombuffer(client.get(f"/points?id={name}").content, "<f4", 3 * 256).reshape(-1, 3)
    assert np.linalg.norm(corners, axis=1).max() == pytest.approx(1)
    # The points lie on the triangles, so that no box around them is larger; chance leaves out a little of it.
    assert np.allclose(np.ptp(points, axis=0), np.ptp(corners, axis=0), atol=0.2)
    brought = client.post("/bring", params={"name": "cube.off"}, content=CUBE, headers=OWN).json()["page"]
    assert len(client.get(brought.replace("/shape", "/mesh")).content) == 12 * 39
    cloud = client.post("/bring", params={"name": "a.xyz"}, content=b"0 0 0\n1 0 0\n0 1 0\n0 0 1\n" * 9, headers=OWN)
    assert client.get(cloud.json()["page"].replace("/shape", "/mesh")).status_code == 204


def test_labels_never_name_a_file_of_this_machine(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("first\nsecond\n")
    page = client.get(f"/shape?id={first_shape(client)}&labels={tmp_path}/secret.txt")
    assert page.status_code == 400
    assert "name at least two labels" in page.text


def test_other_hosts_and_other_scripts_get_nothing(client: httpx.Client) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.post("/bring?name=a.off", content=CUBE).status_code == 403
    headers = client.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.off", b"OFF\n", "bad.off: has no counts after OFF"),
        ("bad.png", b"no picture", "bad.png is no picture that can be read"),
        ("../../etc/passwd", b"x", "passwd: bring a picture"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_own_name(
    name: str, content: bytes, message: str, client: httpx.Client
) -> None:
    answer = client.post("/bring", params={"name": name}, content=content, headers=OWN)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_pairs_go_page_by_page_and_by_label(client: httpx.Client) -> None:
    first, last = client.get("/pairs").text, client.get("/pairs", params={"page": "99"}).text
    assert first.count('class="shot"') == 12
    assert "Page 1 of 3" in first and "Page 3 of 3" in last
    mugs = client.get("/pairs", params={"label": "mug"}).text
    assert "<b>mug</b>" in mugs and "<b>chair</b>" not in mugs


def test_what_was_turned_away_has_a_page(client: httpx.Client) -> None:
    """The gate of this chain refuses some images."""
    rows = client.get("/rejected").text.partition('id="rejected"')[2]
    assert "<td>synthesize</td><td>procedural/" in rows
    assert "misaligned: edge agreement" in rows


def test_ctrl_c_ends_it_without_a_word(finished_store: Path, tiny_preset: str, tmp_path: Path) -> None:
    words = ("explore", "--port", "0", "--no-browser", "--store", str(finished_store), "--preset", tiny_preset)
    terminal = Terminal("-m", "opendlign", *words, cwd=tmp_path, environment=os.environ)
    terminal.wait_for("(Ctrl-C ends it)")
    terminal.ctrl_c()
    assert terminal.ended(60) == 0
    terminal.close()
    assert terminal.shown.partition("(Ctrl-C ends it)")[2].strip() in ("", "^C")


def test_a_port_that_is_taken_is_refused() -> None:
    with listening(HOST, 0) as taken, pytest.raises(BadInput, match="is taken: name another with --port"):
        listening(HOST, taken.getsockname()[1])


def test_normals_are_those_of_a_plane_and_points_fit_a_ball() -> None:
    rng = np.random.default_rng(0)
    flat = np.column_stack([rng.random((500, 2)), np.zeros(500)]).astype(np.float32)
    assert np.allclose(np.abs(normals(flat.astype(np.float64))[:, 2]), 1)
    content = packed(100 * flat + 7, None)
    assert len(content) == 27 * 500
    points = np.frombuffer(content, "<f4", 3 * 500).reshape(-1, 3)
    assert np.isclose(np.linalg.norm(points, axis=1).max(), 1)


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM} (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        opened = running.new_page()
        opened.problems, opened.asked = [], []
        opened.on("console", lambda message: opened.problems.append(message.text))
        opened.on("pageerror", lambda error: opened.problems.append(str(error)))
        opened.on("request", lambda request: opened.asked.append(request.url))
        opened.goto(url)
        yield opened
        running.close()


def follow(page: Any, link: str) -> None:
    """Click, and wait for the page that comes: its script listens from then on."""
    with page.expect_navigation(wait_until="load"):
        page.click(link)


@pytest.mark.browser
def test_a_visitor_searches_turns_classifies_and_brings_things(page: Any, url: str, tmp_path: Path) -> None:
    page.fill("input[name=q]", "a mug")
    follow(page, "text=Search >> nth=-1")
    follow(page, "#hits a >> nth=0")
    canvas = page.locator("#viewer[data-turned]")
    canvas.wait_for()
    assert canvas.get_attribute("data-drawn") == "mesh"
    before = canvas.get_attribute("data-turned")
    assert canvas.evaluate("c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 120)
    page.mouse.up()
    page.wait_for_function(f"document.getElementById('viewer').dataset.turned !== '{before}'")
    page.fill("input[name=labels]", "chair, mug")
    follow(page, "text=Classify")
    assert page.locator("#tuned li").count() == page.locator("#frozen li").count() == 2
    (tmp_path / "cube.off").write_text(CUBE)
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    for name, shown in (("cube.off", "#viewer[data-turned]"), ("red.png", "img.asked")):
        follow(page, "text=Search")
        page.set_input_files("#file", str(tmp_path / name))
        page.locator(shown).wait_for()
        assert name in page.content()
    follow(page, "text=Pairs")
    assert page.locator(".shot img").count() == 12
    follow(page, "text=Turned away")
    assert page.locator("#rejected tbody tr").count() > 0
    assert page.problems == []
    assert [asked for asked in page.asked if not asked.startswith((url, "data:"))] == []
