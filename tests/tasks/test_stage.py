"""What a stage says of itself: what its outputs are called, which ports it has, and what a job finds in them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.graph import Node
from flows.preset import load_preset, preset_names
from opendlign_core.errors import BadInput
from opendlign_core.projection import RECIPES
from opendlign_core.recipe import Execution, Recipe
from opendlign_core.training import DlignRecipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput
from storage.records import Manifest
from storage.store import Store
from tasks.dlign import DLIGN
from tasks.evaluate import EVALUATE
from tasks.ingest import INGEST
from tasks.listing import list_source
from tasks.ports import Input, Inputs, Origin, Port, Ref
from tasks.progress import StageProgress
from tasks.project import PROJECT
from tasks.registry import BESIDE, STAGES, stage_named
from tasks.stage import Job
from tasks.tokens import TOKENS, TokensRecipe
from tasks.train import TRAIN
from tests.tasks.aligned import CLIP, recipe
from tests.tasks.making import as_inputs

PINNED: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "flows" / "pinned.json").read_text(encoding="utf-8")
)["fingerprints"]

DEPTHS = Port("depths", "project", "Depth maps, by projection.", many=True, labelled=True)


@pytest.mark.parametrize(
    ("refs", "upstream"),
    [
        ([], {}),
        ([Ref("a")], {"project": "a"}),
        ([Ref("a", "opendlign")], {"project": "a"}),
        ([Ref("a", "opendlign"), Ref("b", "opendlign")], {"project": "a", "project-1": "b"}),
        (
            [Ref("a", "opendlign"), Ref("b", "pointclip"), Ref("c", "opendlign"), Ref("d", "pointclip")],
            {"project": "a", "project-1": "c", "project:pointclip": "b", "project:pointclip-1": "d"},
        ),
    ],
)
def test_a_fingerprint_tells_outputs_by_stage_number_and_kind(refs: Sequence[Ref], upstream: dict[str, str]) -> None:
    assert DEPTHS.upstream(refs) == upstream


def test_a_port_of_several_stages_tells_who_made_what_it_reads() -> None:
    (clouds,) = PROJECT.reads
    assert clouds.upstream([Ref("a", "", "ingest")]) == clouds.upstream([Ref("a")]) == {"ingest": "a"}
    assert clouds.upstream([Ref("a", "superpoints", "propose")]) == {"propose": "a"}
    with pytest.raises(BadInput, match="clouds takes outputs of ingest or propose, not train/a"):
        clouds.upstream([Ref("a", "", "train")])


def test_the_order_of_what_is_read_counts() -> None:
    assert DEPTHS.upstream([Ref("a"), Ref("b")]) != DEPTHS.upstream([Ref("b"), Ref("a")])


@dataclass(frozen=True)
class Listed:
    """Stands for data that is not on this machine."""

    digest: str = "0" * 20


@pytest.mark.parametrize("name", preset_names())
def test_each_stage_calls_its_output_as_stores_already_do(name: str) -> None:
    """By what stores call its inputs, so that a failure names the stage that changed and none after it."""
    pinned = PINNED[name]

    def visit(node: Node, inputs: Mapping[str, Sequence[Ref]]) -> Ref:
        found = node.stage.identify(node.recipe, inputs, origin_of(node)).fingerprint
        # Depth maps of the published baselines are not pinned; that of the evaluation, which reads them, is.
        assert found == pinned.get(node.name, found), node.name
        return Ref(found, node.label, node.stage.name)

    assert pinned.keys() <= load_preset(name).graph.walk(visit).keys() | {"tokens train", "tokens val"}


def origin_of(node: Node) -> Origin | None:
    if node.stage is not INGEST:
        return None
    return Listed() if node.recipe.source.url else list_source(node.recipe)


@pytest.mark.parametrize("name", [name for name in preset_names() if "synthesize" in PINNED[name]])
def test_token_caches_are_called_as_stores_already_do(name: str) -> None:
    cache, pinned = load_preset(name).recipes["train"].cache_recipe(), PINNED[name]
    for split in ("train", "val"):
        recipe = TokensRecipe(cache=cache, split=split)
        identity = TOKENS.identify(recipe, {"aligned": [Ref(pinned["synthesize"])]})
        assert identity.fingerprint == pinned[f"tokens {split}"]


def test_training_needs_the_caches_of_the_splits_there_are(shared: Store, aligned: Manifest) -> None:
    inputs = as_inputs({"aligned": aligned})
    assert [(need.stage, need.label) for need in TRAIN.needs(recipe(), inputs)] == [
        (TOKENS, "train"), (TOKENS, "val")
    ]  # fmt: skip
    unsplit = as_inputs({"aligned": aligned.model_copy(update={"summary": {"splits": {"train": 3}}})})
    assert [need.label for need in TRAIN.needs(recipe(), unsplit)] == ["train"]
    assert TRAIN.needs(recipe(trainer="plain"), inputs) == ()


def test_a_job_finds_its_inputs_by_port_and_label(store: Store, aligned: Manifest) -> None:
    other = aligned.model_copy(update={"fingerprint": "f" * 20})
    job = job_reading(store, {"depths": [Input(aligned, "opendlign"), Input(other, "pointclip")]})
    assert job.store is store
    assert job.manifest("depths") == job.manifest("depths", "opendlign") == aligned
    assert job.manifest("depths", "pointclip") == other
    assert job.optional("depths", "contour-only") is None
    assert job.optional("aligned") is None
    with pytest.raises(LookupError, match="paint has nothing in its input 'aligned'"):
        job.manifest("aligned")


def job_reading(store: Store, inputs: Inputs) -> Job[Recipe, Execution]:
    output = StageOutput(store, StageIdentity.of("paint", 1, recipe()))
    return Job(output, recipe(), Execution(), inputs, StageProgress("paint", 0))


def test_stages_read_what_stages_before_them_make() -> None:
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    for place, stage in enumerate(STAGES):
        assert stage_named(stage.name) is stage
        assert {port.stage for port in stage.reads} <= set(names[:place])
        assert len({port.name for port in stage.reads}) == len(stage.reads)
        assert stage.about.endswith(".")
    with pytest.raises(LookupError, match="no stage 'paint'; stages are ingest, propose, project"):
        stage_named("paint")


def test_what_lies_beside_outputs_is_known_to_gc() -> None:
    assert {beside.folder for beside in BESIDE} == {"timings", "checkpoints", "features"}


def test_a_sharded_stage_follows_the_shards_of_what_it_reads(aligned: Manifest) -> None:
    shards = DLIGN.shards(DlignRecipe(clip=CLIP), as_inputs({"aligned": aligned}), None)
    assert [(shard.index, shard.start, shard.stop) for shard in shards] == [
        (0, 0, 6), (1, 6, 12), (2, 12, 18), (3, 18, 24)
    ]  # fmt: skip


def test_evaluation_asks_for_the_projections_of_its_methods_for_its_own_data_sets() -> None:
    asked = EVALUATE.companions(load_preset("vit-b-32").recipes["evaluate"])
    assert {companion.stage for companion in asked} == {PROJECT.name}
    assert {companion.label for companion in asked} >= {"opendlign", "pointclip-v2"}
    sources = {"modelnet40", "scanobjectnn", "omniobject3d", "objaverse-lvis"}
    assert all(companion.sources == sources for companion in asked)
    assert all(companion.recipe == RECIPES[companion.label] for companion in asked)
