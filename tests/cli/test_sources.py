"""`--source` on the command line, down to the recipe."""

import pytest

from flows.preset import load_preset
from opendlign.ask import wanted_changes
from opendlign_core.ingestion import SourceSpec


@pytest.mark.parametrize(
    ("given", "url", "table"),
    [
        ("list:shapes.csv", ".", "shapes.csv"),
        ("list:/data/it's \N{SNOWMAN}/a b.parquet", "/data/it's \N{SNOWMAN}", "a b.parquet"),
        ("list:/top.tsv", "/", "top.tsv"),
        ("list:s3://bucket/packs/one.npz", "s3://bucket/packs", "one.npz"),
        ("list:/data/packs", "/data/packs", None),
        ("folder:~/meshes.csv", "~/meshes.csv", None),
        ("folder:s3://bucket/meshes", "s3://bucket/meshes", None),
    ],
)
def test_a_source_is_a_folder_and_perhaps_a_table_in_it(given: str, url: str, table: str | None) -> None:
    preset = load_preset("vit-b-32", wanted_changes([], given))
    options = {} if table is None else {"list": table}
    expected = SourceSpec.model_validate({"adapter": given.partition(":")[0], "url": url, "options": options})
    assert preset.source.source == expected


def test_fields_of_the_source_can_be_set_after_it() -> None:
    changes = wanted_changes(["ingest.source.options.uri_column=file"], "list:shapes.csv")
    source = load_preset("vit-b-32", changes).source.source
    assert (source.option("list", ""), source.option("uri_column", "")) == ("shapes.csv", "file")


@pytest.mark.parametrize(
    ("given", "sampling"), [("folder:meshes", "stratified"), ("list:a.csv", "stratified"), ("modelnet40:data", "area")]
)
def test_shapes_of_ones_own_lose_no_part_to_sampling(given: str, sampling: str) -> None:
    assert load_preset("mini", wanted_changes([], given)).source.sampling == sampling
    assert load_preset("mini", wanted_changes(["ingest.sampling=area"], given)).source.sampling == "area"
