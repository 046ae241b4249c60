"""The verbs of the `opendlign` command, and how help tells of them: by what they are for, each with an example."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cyclopts import App, Group

from opendlign.stages import verb_of
from tasks.registry import STAGES


@dataclass(frozen=True)
class Verb:
    """A command that is imported when it is asked for; its help is not, so that `--help` is quick."""

    name: str
    home: str
    """Module and function, such as `run:run`."""
    about: str
    example: str
    """What one may type, without the name of the program."""


RUN = (
    Verb("run", "run:run", "Bring every stage of a preset up to date and show the benchmark.",
         "run --preset mini --set train.epochs=5"),
    Verb("plan", "run:plan", "Say what `run` would do, stage by stage, and why.", "plan --source folder:~/meshes"),
)  # fmt: skip
ASK = (
    Verb("classify", "classify:classify", "Name shapes, any cloud or mesh, against any labels.",
         "classify my_mesh.glb --labels chair,table,lamp --picture views.png"),
    Verb("segment", "segment:segment", "Colour shapes by their parts, any cloud or mesh.",
         "segment chair.glb --parts seat,back,leg,armrest --category chair"),
    Verb("detect", "detect:detect", "Find things in a scan of a room, by any names.",
         "detect room.ply --labels chair,table,sofa --up z"),
    Verb("search", "shapes:search", "Find shapes by words, picture or shape.", 'search "a red mug" --top 5'),
    Verb("explore", "explore.command:explore", "Search, turn and classify shapes in a browser, on this machine alone.",
         "explore --port 8765"),
    Verb("index", "shapes:index", "Embed all objects of a model's source, for `search`.",
         "index --out objects.parquet --split test"),
)  # fmt: skip
LOOK = (
    Verb("preview", "preview:preview", "Draw the depth maps of shapes before anything is trained.",
         "preview --source folder:~/meshes --count 12"),
    Verb("compare", "compare:compare", "Hold one evaluation against another, object by object.",
         "compare 3f2a 91bc --page compare.html"),
)  # fmt: skip
OTHERS = (
    Verb("fields", "fields:fields", "List the fields that --set changes, with defaults and use.", "fields train"),
    Verb("urls", "urls:urls", "Print the URLs of a finished output's shards, for other programs.",
         "urls synthesize --store s3://bucket/prefix"),
    Verb("pretrain-mini", "pretrain:pretrain_mini", "Train the small CLIP of the mini preset from nothing.",
         "pretrain-mini --out clip --minutes 20"),
)  # fmt: skip
OWN_VERBS = {"evaluate": "judge:evaluate", "dlign": "dlign:dlign"}
"""Stages whose verb takes more than the others'."""

STORE = (
    Verb("inspect", "keep:inspect", "List a store's outputs, or show one of them.", "inspect train"),
    Verb("verify", "keep:verify", "Re-hash every committed file; list damage and orphans.", "verify store --repair"),
    Verb("gc", "keep:gc", "List what no kept output needs; with --delete, remove it.", "gc store --delete"),
)
SERVICE = (
    Verb("up", "service:up", "Start a Prefect server and workers on this machine and deploy everything.", "up"),
    Verb("down", "service:down", "Stop what `up` started.", "down"),
    Verb("deploy", "service:deploy", "Create or update pools, queues, limits and all deployments.",
         "deploy --store s3://bucket/prefix --gpus 8"),
)  # fmt: skip
WEIGHTS = (
    Verb("import", "weights:import_weights", "Bring a published .pth file into the store as a trained model.",
         "weights import OpenDlign-B32.pth --model ViT-B-32"),
    Verb("export", "weights:export_weights", "Write a trained model for the published code, open_clip or others.",
         "weights export my-clip --format open-clip --model 3f2a"),
)  # fmt: skip
DATA = (
    Verb("import", "data:import_data", "Bring depth maps and images in the published layout into the store.",
         "data import ~/depth_aligned"),
    Verb("export", "data:export_data", "Write depth maps and images as files in the published layout.",
         "data export ~/depth_aligned"),
    Verb("card", "data:card", "Tell what an output holds as a card in Markdown.", "data card synthesize/83b8"),
    Verb("preprocess-imagenet3d", "imagenet3d:preprocess", "Cut objects out of ImageNet3D's photos, as published.",
         "data preprocess-imagenet3d ~/imagenet3d ~/crops --center-and-resize"),
    Verb("paint-imagenet3d", "imagenet3d:paint", "Write painted photos of procedural shapes in ImageNet3D's layout.",
         "data paint-imagenet3d ~/painted --photos 200"),
)  # fmt: skip
POSE = (
    Verb("find", "pose_finding:find", "Find how the thing in a photo is turned, given its CAD.",
         "pose find car.jpg --cad car.off --box 40 60 600 300"),
    Verb("show", "posed:show", "Draw a CAD over a photo at a pose, to see whether it fits.",
         "pose show car.jpg --cad car.off --azimuth 30 --elevation 10 --distance 5"),
)  # fmt: skip
GROUPS = {
    "store": ("Care of a store.", STORE),
    "service": ("The pipeline as a service: server, workers, deployments.", SERVICE),
    "weights": ("Trained models from and for other programs.", WEIGHTS),
    "pose": ("Poses of things in photos.", POSE),
    "data": ("Data sets from and for other programs.", DATA),
}
SHORT = ("store", "service")
"""Groups whose verbs are typed often, and so have no need of the group's name."""
SECTIONS = {
    "Run a preset": RUN,
    "Ask its model": ASK,
    "Look at what was found": LOOK,
    "Keep a store": STORE,
    "Serve": SERVICE,
    "For other programs": OTHERS,
}
"""The verbs of the help's first page, in its order; stages have a section of their own after the second."""
STAGES_AFTER = 3


def build_app() -> App:
    """The command with all its verbs: by what they are for, the stages', and groups for the rest."""
    app = App(
        name="opendlign",
        help="3D shapes in, a benchmarked open-vocabulary 3D model out.",
        help_epilogue="Example: opendlign run --preset mini. With --debug any command shows tracebacks.",
        version=_version,
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # `main` has a sentence for it
    )
    sections = {title: Group(title, sort_key=2 * place) for place, title in enumerate(SECTIONS)}
    for title, verbs in SECTIONS.items():
        _add(app, verbs, sections[title])
    stages = Group("One stage of a preset, after those that it reads", sort_key=STAGES_AFTER)
    for place, stage in enumerate(STAGES):
        home = f"opendlign.{OWN_VERBS[stage.name]}" if stage.name in OWN_VERBS else verb_of(stage)
        told = _told(stage.about, f"{stage.name} --source {stage.example}", place)
        app.command(home, name=stage.name, group=stages, **told)
    app["--help"].group = app["--version"].group = Group("Options", sort_key=2 * len(SECTIONS))
    for name, (about, verbs) in GROUPS.items():
        told = _told(about, verbs[0].example, len(OTHERS))
        group = App(name=name, group=sections["For other programs"], show=name not in SHORT, **told)
        _add(group, verbs)
        app.command(group)
    return app


def _add(app: App, verbs: Iterable[Verb], group: Group | None = None) -> None:
    for place, verb in enumerate(verbs):
        told = _told(verb.about, verb.example, place)
        app.command(f"opendlign.{verb.home}", name=verb.name, group=group, **told)


def _told(about: str, example: str, place: int) -> dict[str, Any]:
    """What help says of a verb, and where."""
    return {"help": about, "help_epilogue": f"Example: opendlign {example}", "sort_key": place}


def _version() -> str:
    return f"opendlign {version('opendlign-pipeline')}"
