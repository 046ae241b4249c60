"""The whole chain on a real server: run, run again with nothing to do, run with one field changed."""

from pathlib import Path

from flows.preset import Preset
from storage.local import LocalStore
from tasks.slots import GPU_LIMIT
from tests.integration.harness import Orchestra, children, published
from tests.integration.stores import contents, marks


def test_stages_on_their_own_pools_give_the_bytes_of_one_process(
    orchestra: Orchestra, reference: LocalStore, preset_file: Path, tmp_path: Path
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    orchestra.worker("gpu", "gpu")
    store = LocalStore(tmp_path / "distributed")
    given = [f"preset={preset_file}", f"store={store.url}"]
    parameters = [word for pair in given for word in ("--param", pair)]
    orchestra.client.upsert_global_concurrency_limit_by_name(GPU_LIMIT, 2)
    try:
        words = ("deployment", "run", "regenerate/mini-distributed", *parameters, "--watch")
        orchestra.call("prefect", *words, seconds=600)
    finally:
        orchestra.client.upsert_global_concurrency_limit_by_name(GPU_LIMIT, 1)
    assert contents(store) == contents(reference)
    assert same_numbers(store, reference)
    runs = [run.parameters for run in orchestra.client.read_flow_runs() if run.parameters.get("store") == store.url]
    # Painting is split into as many parts as there are GPU slots.
    assert [given["part"]["index"] for given in runs if "part" in given] in ([0, 1], [1, 0])


def same_numbers(store: LocalStore, other: LocalStore) -> bool:
    """Whether two stores hold the same benchmark results."""
    found = [
        sorted(info.key for info in place.list("evaluate") if "/results." in info.key) for place in (store, other)
    ]
    return found[0] == found[1] and len(found[0]) == 1


def test_a_run_with_nothing_to_do_says_what_it_checked(
    orchestra: Orchestra, reference: LocalStore, preset_file: Path
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    run = orchestra.complete(orchestra.submit("regenerate/mini", preset=str(preset_file), store=reference.url))
    assert not children(orchestra.client, run.id)
    assert run.name.startswith("tiny regenerate ")
    text = published(orchestra.client, run.id)["regenerate-summary"]
    assert "Nothing to do" in text
    for stage in ("ingest", "project", "synthesize", "train", "evaluate"):
        assert f"`{stage}/" in text
        assert f"/artifacts/key/{stage}-" in text


def test_a_changed_field_reruns_only_what_depends_on_it(
    orchestra: Orchestra, finished_store: LocalStore, preset_file: Path, tiny: Preset
) -> None:
    orchestra.worker("cpu", "cpu", limit=4)
    before = marks(finished_store, "ingest", "project", "synthesize", "tokens")
    planned = orchestra.call(
        "opendlign", "plan", "--preset", str(preset_file), "--store", finished_store.url, "--set", "train.epochs=1"
    ).stdout
    assert planned.count("stale") == 2
    assert "recipe.epochs: 2 -> 1" in planned
    given = {"preset": str(preset_file), "store": finished_store.url, "changes": ["train.epochs=1"]}
    run = orchestra.complete(orchestra.submit("regenerate/mini", **given))
    assert marks(finished_store, "ingest", "project", "synthesize", "tokens") == before
    assert len({info.key.split("/")[1] for info in finished_store.list("train")}) == 2
    names = sorted(child.name.split()[1] for child in children(orchestra.client, run.id))
    assert names == ["evaluate", "train"]
