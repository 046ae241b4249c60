"""Presets as graphs: what the short form stands for, what can be spelled out, and what does not hold together."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.graph import Graph, Node
from flows.judge import judging_graph
from flows.preset import PresetError, build_preset, load_preset
from flows.regenerate import regenerate
from opendlign_core.errors import BadInput
from opendlign_core.projection import RECIPES
from storage.output import load_manifest
from storage.stores import open_store
from tasks.align import ALIGN
from tasks.evaluate import EVALUATE
from tasks.posenet import POSENET
from tasks.project import PROJECT
from tasks.propose import PROPOSE
from tasks.registry import STAGES
from tests.flows.conftest import TINY
from tests.flows.planning import fingerprints, planned

SHAPES = {"adapter": "procedural", "options": {"objects": "20", "categories": "chair,table"}}


def preset_with(**changes: Any) -> Graph:
    return build_preset({**TINY, **changes}).graph


def inputs(graph: Graph, node: str) -> dict[str, tuple[str, ...]]:
    return dict(graph.by_name()[node].inputs)


def test_the_short_form_is_a_chain() -> None:
    assert [node.name for node in preset_with().nodes] == [
        "ingest procedural", "project procedural", "synthesize", "train", "evaluate"
    ]  # fmt: skip


def test_every_source_is_projected_and_the_first_alone_is_painted() -> None:
    graph = preset_with(benchmarks=[{"source": {**SHAPES, "name": "more"}}])
    assert inputs(graph, "project more") == {"clouds": ("ingest more",)}
    assert inputs(graph, "synthesize") == {"depths": ("project procedural",)}
    assert inputs(graph, "evaluate") == {
        "model": ("train",),
        "clouds": ("ingest procedural", "ingest more"),
        "depths": ("project procedural", "project more"),
        "aligned": ("synthesize",),
    }


def test_scenes_are_cut_up_before_they_are_projected_and_clouds_are_not() -> None:
    rooms = {"source": {"adapter": "rooms", "options": {"rooms": "10"}}}
    whole = preset_with(benchmarks=[rooms], propose={"proposer": "ground-truth"})
    assert [node.name for node in whole.of(PROPOSE)] == ["propose rooms"]
    assert whole.by_name()["propose rooms"].label == "ground-truth"
    assert inputs(whole, "propose rooms") == {"scenes": ("ingest rooms",)}
    assert inputs(whole, "project rooms") == {"clouds": ("propose rooms",)}
    assert inputs(whole, "project procedural") == {"clouds": ("ingest procedural",)}
    trained_on_rooms = preset_with(ingest=rooms, benchmarks=[{"source": SHAPES}], propose={})
    assert inputs(trained_on_rooms, "synthesize") == {"depths": ("project rooms",)}


def test_boxes_of_two_kinds_stand_side_by_side() -> None:
    nodes = {
        "true boxes": {
            "stage": "propose",
            "recipe": {"proposer": "ground-truth"},
            "inputs": {"scenes": "ingest rooms"},
        },
        "true maps": {"stage": "project", "recipe": {}, "inputs": {"clouds": "true boxes"}},
    }
    graph = preset_with(benchmarks=[{"source": {"adapter": "rooms"}}], propose={}, nodes=nodes)
    assert [node.label for node in graph.of(PROPOSE)] == ["superpoints", "ground-truth"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ingest": {"source": {"adapter": "rooms"}}}, "rooms holds scenes: let a stage propose cut them up before"),
        ({"propose": {}}, "procedural holds single objects; propose takes a source of scenes"),
    ],
)
def test_scenes_and_clouds_are_not_taken_for_each_other(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError, match=message):
        preset_with(**changes)


def test_a_method_of_another_projection_gets_project_nodes_for_the_sources_it_judges() -> None:
    evaluate = {"datasets": [{"name": "More", "sources": ["more"]}], "methods": ["opendlign", "pointclip-v2"]}
    graph = preset_with(benchmarks=[{"source": {**SHAPES, "name": "more"}}], evaluate=evaluate)
    node = graph.by_name()["project more pointclip-v2"]
    assert (node.recipe, node.label) == (RECIPES["pointclip-v2"], "pointclip-v2")
    assert "project procedural pointclip-v2" not in graph.by_name()
    assert inputs(graph, "evaluate")["depths"] == ("project procedural", "project more", node.name)


def test_depth_maps_go_by_the_recipe_they_start_from() -> None:
    own = {"base": "pointclip-v2", "size": 32}
    graph = preset_with(project=own, evaluate={**TINY["evaluate"], "methods": ["pointclip-v2"]})
    assert [(node.name, node.label) for node in graph.of(PROJECT)] == [("project procedural", "pointclip-v2")]


def test_any_stage_has_its_place_in_the_short_form() -> None:
    graph = preset_with(dlign={})
    assert inputs(graph, "dlign") == {"aligned": ("synthesize",)}
    assert graph.by_name()["dlign"].recipe.clip == graph.by_name()["train"].recipe.clip
    assert graph.stages == tuple(stage.name for stage in STAGES if stage not in (PROPOSE, ALIGN, POSENET))


def test_only_what_a_stage_is_made_from_is_asked_for() -> None:
    graph = preset_with(dlign={}, benchmarks=[{"source": {**SHAPES, "name": "more"}}])
    names = [node.name for node in graph.until("dlign").nodes]
    assert names == ["ingest procedural", "project procedural", "synthesize", "dlign"]
    with pytest.raises(BadInput, match="the preset has no stage cook"):
        graph.until("cook")


def test_judging_takes_a_finished_model_and_paints_nothing() -> None:
    preset = build_preset({**TINY, "benchmarks": [{"source": {**SHAPES, "name": "more"}}]})
    graph = judging_graph(preset, "abc")
    assert [node.name for node in graph.nodes] == ["ingest more", "project more", "train", "evaluate"]
    assert graph.by_name()["train"].output == "abc"


def test_a_node_can_be_spelled_out(tmp_path: Path) -> None:
    nodes = {
        "wide": {
            "stage": "project",
            "recipe": {"base": "pointclip", "size": 64},
            "inputs": {"clouds": "ingest procedural"},
        },
        "painted elsewhere": {"stage": "synthesize", "output": "0" * 20},
        "again": {"stage": "train", "recipe": TINY["train"], "inputs": {"aligned": ["painted elsewhere"]}},
    }
    graph = preset_with(nodes=nodes)
    wide = graph.by_name()["wide"]
    assert (wide.recipe.size, wide.label, wide.inputs) == (64, "pointclip", {"clouds": ("ingest procedural",)})
    path = tmp_path / "spelled.yaml"
    path.write_text(yaml.safe_dump({**TINY, "nodes": nodes}))
    assert load_preset(str(path)).graph.by_name()["again"].reads == ("painted elsewhere",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": {"x": {"stage": "project"}}}, "x needs an input clouds: a node of the stage ingest or propose"),
        ({"nodes": {"x": {"stage": "cook"}}}, "no stage 'cook'"),
        ({"nodes": {"x": {"stage": "project", "salt": 1}}}, "nodes.x.salt: unknown; a node has"),
        (
            {"nodes": {"x": {"stage": "project", "inputs": {"clouds": "train"}}}},
            "clouds takes a node of ingest or propose that is there, not 'train'",
        ),
        ({"nodes": {"x": {"stage": "project", "inputs": {"salt": "train"}}}}, "no input 'salt'; project reads clouds"),
        ({"nodes": ["x"]}, "nodes: a group of fields, not ['x']"),
        ({"nodes": {"x": 3}}, "nodes.x: a group of fields, not 3"),
        ({"nodes": {"x": {"stage": "project", "inputs": "train"}}}, "nodes.x.inputs: a group of fields, not 'train'"),
        ({"nodes": {"x": {"stage": "project", "recipe": "salt"}}}, "nodes.x.recipe: a group of fields, not 'salt'"),
        (
            {"nodes": {"x": {"stage": "project", "recipe": {"size": -4}}}},
            "nodes.x.recipe.size: Input should be greater than or equal to 8",
        ),
        ({"nodes": {"train": {"stage": "train", "output": "a"}}}, "two nodes are called 'train'"),
        (
            {"nodes": {me: {"stage": "train", "inputs": {"aligned": other}} for me, other in ("xy", "yx")}},
            "nodes read each other in a circle",
        ),
        ({"benchmarks": [{"source": SHAPES}]}, "two sources share a name"),
        ({"cook": {}}, "cook: no such stage or field"),
        ({"execution": {"cook": {}}}, "execution.cook: no such stage"),
        ({"execution": {"gpu_workers": 0}}, "execution.gpu_workers: a number of workers, not 0"),
    ],
)
def test_what_does_not_hold_together_is_refused_in_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError) as refused:
        preset_with(**changes)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_walk_visits_every_node_after_what_it_reads() -> None:
    graph, seen = preset_with(), list[str]()

    def visit(node: Node, inputs: Any) -> str:
        assert set(node.reads) <= set(seen)
        assert inputs == {port: tuple(names) for port, names in node.inputs.items()}
        seen.append(node.name)
        return node.name

    assert list(graph.walk(visit)) == [node.name for node in graph.nodes] == seen


@pytest.mark.server
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("flows")
class TestRun:
    """On a store that holds the tiny chain."""

    @pytest.fixture
    def store(self, finished_store: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(finished_store, tmp_path / "store"))

    def test_embeddings_are_an_ordinary_stage(self, store: Path, tiny_preset: str) -> None:
        found = regenerate(tiny_preset, str(store), until="dlign")
        assert list(found) == ["ingest procedural", "project procedural", "synthesize", "dlign"]
        manifest = load_manifest(open_store(store), "dlign", found["dlign"])
        assert manifest.samples == load_manifest(open_store(store), "synthesize", found["synthesize"]).samples

    def test_a_preset_that_draws_two_views_is_judged_with_two(
        self, prefect_server: None, tiny_preset: str, tmp_path: Path
    ) -> None:
        views = [list(map(list, view)) for view in RECIPES["opendlign"].views[:2]]
        tasks = ["evaluate.tasks=[zero-shot, views]", "evaluate.view_counts=[1, 2, 10]"]
        changes = [f"project.views={json.dumps(views)}", *tasks]
        found = regenerate(tiny_preset, str(tmp_path / "store"), changes)
        store = open_store(tmp_path / "store")
        manifest = load_manifest(store, EVALUATE.name, found["evaluate"])
        stored = manifest.file("results").file
        results = json.loads((tmp_path / "store" / manifest.folder / stored).read_text())
        assert {tuple(row["views"]) for row in results["views"]} <= {(0,), (1,), (0, 1)}
        assert max(len(row["views"]) for row in results["views"]) == 2

    def test_a_plan_says_what_was_made_from_other_bytes(self, store: Path, tiny_preset: str) -> None:
        depths = fingerprints(store, tiny_preset)["project"]
        path = store / "project" / depths / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["shards"][0]["shard"]["sha256"] = "0" * 64
        path.chmod(0o644)
        path.write_text(json.dumps(manifest))
        states = {status.title: (status.state, status.remarks) for status in planned(store, tiny_preset)}
        remark = f"made from other bytes of project/{depths}"
        assert states["synthesize"] == ("done", (remark,))
        assert states["evaluate"] == ("done", (remark,))
        assert states["train"] == ("done", ())
