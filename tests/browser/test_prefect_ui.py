"""The Prefect UI after a run, in a real browser: our names, tables, pictures and deployments are there to be seen."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey

from tests.integration.conftest import orchestra, preset_file, reference
from tests.integration.harness import Orchestra

__all__ = ["orchestra", "preset_file", "reference"]

CHROMIUM = Path("/usr/bin/chromium")
# Pictures for the documentation are kept where this names a folder.
KEEP = os.environ.get("OPENDLIGN_SCREENSHOTS", "")
PATIENCE_MS = 120_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.xdist_group("orchestra"),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("reference"),
]


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM} (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=quiet)
        opened = browser.new_page(viewport={"width": 1280, "height": 1000})
        opened.set_default_timeout(PATIENCE_MS)
        yield opened
        browser.close()


def show(page: Any, orchestra: Orchestra, path: str, *texts: str, name: str = "") -> None:
    """Open a page of the UI and wait until it shows the texts; keep its picture under a name."""
    page.goto(f"{orchestra.url}{path}")
    for text in texts:
        page.get_by_text(re.compile(text)).first.wait_for()
    assert page.get_by_text("Can't connect to Server API").count() == 0
    keep(page, name)


def keep(page: Any, name: str) -> None:
    """Keep a picture of the page as it is, under a name."""
    if KEEP and name:
        # A run's graph is laid out and drawn after everything else.
        page.wait_for_timeout(10_000)
        page.screenshot(path=str(Path(KEEP) / f"ui-{name}.png"))


def artifact(orchestra: Orchestra, key: str) -> str:
    """The page of the newest artifact of that key."""
    found = orchestra.client.read_latest_artifacts(
        artifact_filter=ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=[key]))
    )
    return f"/artifacts/artifact/{found[0].latest_id}"


def test_the_deployments_page_lists_stages_and_presets(page: Any, orchestra: Orchestra) -> None:
    orchestra.worker("gpu", "gpu")
    show(page, orchestra, "/deployments", "mini-distributed", "posenet", "synthesize", name="deployments")


def test_the_run_page_tells_preset_and_stage(page: Any, orchestra: Orchestra) -> None:
    (run,) = [run for run in orchestra.client.read_flow_runs() if run.name.startswith("tiny regenerate")][:1]
    show(page, orchestra, f"/runs/flow-run/{run.id}", run.name, "Completed", name="run")


def test_a_run_lists_the_runs_of_its_stages(page: Any, orchestra: Orchestra) -> None:
    (run,) = [run for run in orchestra.client.read_flow_runs() if run.name.startswith("tiny regenerate")][:1]
    stages = [rf"tiny {stage} [0-9a-f]{{8}}" for stage in ("ingest", "project", "synthesize", "train", "evaluate")]
    show(page, orchestra, f"/runs/flow-run/{run.id}")
    page.get_by_text("Subflow Runs", exact=True).first.click()
    for stage in stages:
        page.get_by_text(re.compile(stage)).first.wait_for()
    keep(page, "stages")


def test_a_recipe_is_a_form_that_explains_itself(page: Any, orchestra: Orchestra) -> None:
    train = orchestra.client.read_deployment_by_name("train/train")
    path = f"/deployments/deployment/{train.id}/run"
    texts = ("Fingerprint of the synthesize output", "passes over the training objects")
    show(page, orchestra, path, *texts, name="form")


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        ("regenerate-summary", ("up to date", "pairs")),
        ("ingest-counts", ("Objects per split and label", "chair")),
        ("synthesize-progress", (" objects, ",)),
        ("evaluate-results", ("Zero-shot accuracy, percent", "training-free")),
    ],
)
def test_artifacts_show_what_the_stages_published(
    page: Any, orchestra: Orchestra, key: str, texts: tuple[str, ...]
) -> None:
    show(page, orchestra, artifact(orchestra, key), key, *texts, name=key)


def test_a_key_leads_to_its_artifacts(page: Any, orchestra: Orchestra) -> None:
    """The links of a regeneration's summary."""
    show(page, orchestra, "/artifacts/key/evaluate-results", "Created")


@pytest.mark.parametrize("key", ["synthesize-pairs", "train-curves"])
def test_pictures_are_drawn(page: Any, orchestra: Orchestra, key: str) -> None:
    show(page, orchestra, artifact(orchestra, key), key)
    picture = page.locator("img[src^='data:image']").first
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    show(page, orchestra, artifact(orchestra, key), key, name=key)
