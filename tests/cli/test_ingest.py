"""`opendlign ingest` as a user runs it: a list with columns of its own names, in a folder and in a bucket."""

from pathlib import Path

import numpy as np
import pytest

from flows.plan import plan_graph
from flows.sources import SourceAbsent, require_listings
from opendlign.ask import ask
from storage.output import load_manifest
from storage.s3 import S3Store
from storage.stores import open_store
from tasks.catalog import CATALOG
from tests.integration.conftest import orchestra
from tests.integration.harness import Orchestra, run_module

__all__ = ["orchestra"]

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("orchestra"), pytest.mark.timeout(600)]

COLUMNS = (
    "ingest.source.options.uri_column=file",
    "ingest.source.options.label_column=class",
    "ingest.points=32",
    "execution.ingest.workers=1",
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        np.savetxt(folder / f"{name}.xyz", np.random.default_rng(len(name)).normal(size=(40, 3)))
    (folder / "broken.off").write_text("OFF\n")
    rows = ["file,class,split", "one.xyz,red_mug,train", "two.xyz,cup,test", "broken.off,cup,test"]
    path = folder / "mine.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_list_in_a_bucket_is_the_list_in_the_folder(table: Path, tmp_path: Path, orchestra: Orchestra) -> None:
    store = tmp_path / "store"
    place = S3Store(f"s3://bucket/{tmp_path.name}", orchestra.settings)
    for path in table.parent.iterdir():
        place.put_file(path, path.name)
    words = ["ingest", "--source", f"list:{place.url}/mine.csv", "--store", str(store)]
    for change in COLUMNS:
        words += ["--set", change]
    done = run_module("opendlign", *words, environment={**orchestra.environment, "COLUMNS": "200"})
    assert "2 objects, 1 rejected" in done.stdout
    assert "rejected list/broken.off: has no counts after OFF" in done.stdout
    asked = ask("mini", str(store), list(COLUMNS), f"list:{table}")
    local = plan_graph(asked.store, asked.graph, asked.sources)[0]
    assert local.state == "done", "the same list in a folder must be the same clouds"
    manifest = load_manifest(asked.store, "ingest", local.identity.fingerprint)
    catalog = open_store(store).read(f"{manifest.folder}/{manifest.file('catalog').file}")
    (tmp_path / "catalog.parquet").write_bytes(catalog)
    rows = {row["object_id"]: row for row in CATALOG.read(tmp_path / "catalog.parquet")}
    assert (rows["list/one.xyz"]["label"], rows["list/one.xyz"]["split"]) == ("red mug", "train")
    assert rows["list/two.xyz"]["caption"] == "a cup"


def test_a_split_beside_a_list_that_states_its_own_is_refused(table: Path, tmp_path: Path) -> None:
    changes = [*COLUMNS, "ingest.source.options.split=test"]
    with pytest.raises(SourceAbsent, match="all 3 state one"):
        require_listings(ask("mini", str(tmp_path / "store"), changes, f"list:{table}").sources.values())
    chosen = ask("mini", str(tmp_path / "store"), [*COLUMNS, "ingest.source.splits=[test]"], f"list:{table}")
    (source,) = chosen.sources.values()
    listing = source.listing
    assert listing is not None
    assert {entry.split for entry in listing.entries} == {"test"}
