"""The pages: plain HTML from the server; scripts only turn the model and take what is dropped."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np

from opendlign.explore.answers import BothBranches
from opendlign.explore.gallery import Pair, Shape, TurnedAway
from opendlign_core.evaluation import Classification, Hit
from opendlign_core.evaluation.report.html import NOTHING, Markup, badge, data_uri, joined, table, tag
from opendlign_core.pictures import depth_picture

TRAINED_ON = "train"
"""The split whose objects training reads."""
_LABELS_SHOWN = 8
_PAGES = (("/", "Search"), ("/pairs", "Pairs"), ("/rejected", "Turned away"))


class Place(NamedTuple):
    """Where a shape is to be found: an `id` of the store, or a `file` that somebody brought."""

    kind: str
    name: str

    def link(self, page: str, **more: str) -> str:
        return f"{page}?{urlencode({self.kind: self.name, **more}, errors='surrogatepass')}"


class Found(NamedTuple):
    """A hit, and the split that it is of."""

    hit: Hit
    split: str


def whole(title: str, model: str, *parts: str) -> str:
    """A page with its navigation."""
    links = (tag("a", name, href=link) for link, name in _PAGES)
    top = tag("nav", tag("b", "OpenDlign"), *links, tag("span", f"model {model}", class_="note"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("link", rel="stylesheet", href="/static/report.css"),
        tag("link", rel="stylesheet", href="/static/explore.css"),
        tag("script", src="/static/explore.js", type="module"),
    )
    body = tag("body", tag("main", top, *parts))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def search_page(words: str, found: Sequence[Found], note: str, brought: str = "", picture: str = "") -> Markup:
    """A line for words, a place to drop things, and what was found."""
    entry = tag(
        "input", type="search", name="q", value=words, placeholder="a red mug with two handles", autofocus=True
    )
    form = tag("form", entry, tag("button", "Search"), action="/", class_="ask")
    shown = tag("img", src=picture, alt=brought, class_="asked") if picture else NOTHING
    asked = tag("p", f"Shapes like {brought}") if brought else NOTHING
    return joined([tag("h1", "Find shapes"), form, _drop(), shown, asked, _note(note), _hits(found)])


def _drop() -> Markup:
    words = "Drop a picture or a shape here (.obj .glb .ply .stl .off .pcd .npy ...), or "
    pick = tag("label", "choose a file", tag("input", type="file", id="file", hidden=True), class_="link")
    return tag("div", words, pick, tag("span", "", id="drop-note", class_="note", role="status"), id="drop")


def _note(words: str) -> Markup:
    return tag("p", words, class_="warning", role="status") if words else NOTHING


def _hits(found: Sequence[Found]) -> Markup:
    if not found:
        return NOTHING
    seen, note = sum(one.split == TRAINED_ON for one in found), "The model sees depth maps: shape, and no colour."
    if seen:
        note += f" {seen} of these {len(found)} it was trained on; how it does on others is in the report."
    return joined([tag("p", note, class_="note"), tag("div", *map(_hit, found), class_="tiles", id="hits")])


def _hit(found: Found) -> Markup:
    name = found.hit.object_id
    picture = tag("img", src=Place("id", name).link("/picture"), alt=name, loading="lazy")
    mark = badge("trained on", warns=False) if found.split == TRAINED_ON else NOTHING
    words = tag("span", tag("b", found.hit.label or name), f" {found.hit.score:.3f}", mark)
    return tag("a", picture, words, tag("code", name), href=Place("id", name).link("/shape"))


def _mark(split: str) -> Markup:
    """Of a shape of the store: whether the model's answers on it are a test."""
    if not split:
        return NOTHING
    return badge("trained on") if split == TRAINED_ON else badge("not trained on", warns=False)


def shape_page(
    place: Place, shape: Shape, labels: str, said: BothBranches, alike: Sequence[Found], note: str
) -> Markup:
    """The shape to turn, its views and images, what both branches call it, and shapes like it."""
    facts = " · ".join(word for word in (shape.label, shape.split, shape.caption) if word)
    places = {"data_points": place.link("/points"), "data_mesh": place.link("/mesh")}
    canvas = tag("canvas", id="viewer", width=440, height=440, tabindex=0, **places)
    hint = tag("p", "Drag to turn, wheel to come closer.", class_="note")
    form = tag(
        "form",
        tag("input", type="hidden", name=place.kind, value=place.name),
        tag("input", name="labels", value=labels, aria_label="labels"),
        tag("button", "Classify"),
        action="/shape",
        class_="ask",
    )
    answers = [
        tag("h2", "What it is called"),
        tag("p", "Labels with commas, or a packaged list such as modelnet40.", class_="note"),
        form,
        _note(note),
        tag(
            "div",
            _branch("Frozen", said.frozen, shape.label),
            _branch("Tuned", said.tuned, shape.label),
            class_="grid2",
        ),
    ]
    sides = (tag("div", canvas, hint, class_="panel"), tag("div", *answers))
    views = [tag("img", src=data_uri(depth_picture(view)), alt="depth map") for view in shape.views]
    images = [
        tag("img", src=data_uri(image), alt="painted image")
        for image in (() if shape.images is None else shape.images)
    ]
    return joined(
        [
            tag("h1", shape.name),
            tag("p", facts, _mark(shape.split), class_="lead"),
            tag("div", *sides, class_="sides"),
            tag("h2", "Depth maps" + (", and the images painted on them" if images else "")),
            tag("div", *views, *images, class_="views"),
            tag("h2", "Shapes like it"),
            _hits(alike),
        ]
    )


def _branch(title: str, said: Classification, truth: str) -> Markup:
    rows = (_answer(label, share, label == truth) for label, share in said.ranked()[:_LABELS_SHOWN])
    return tag("div", tag("h3", title), tag("ul", *rows, class_="bars one"), class_="panel", id=title.lower())


def _answer(label: str, share: float, right: bool) -> Markup:
    bar = tag("span", tag("i", style=f"width:{100 * share:.1f}%"), class_="bar")
    name = tag("span", label, class_="bar-name right" if right else "bar-name", title=label)
    return tag("li", name, bar, tag("span", f"{100 * share:.1f} %", class_="bar-note"))


def pairs_page(pairs: Iterable[Pair], labels: Sequence[str], label: str, page: int, pages: int) -> Markup:
    """Depth maps beside the images painted on them, of one label or all."""
    options = [tag("option", name or "every label", value=name, selected=name == label) for name in ("", *labels)]
    form = tag("form", tag("select", *options, name="label"), tag("button", "Show"), action="/pairs", class_="ask")
    cards = [_pair(pair) for pair in pairs]
    if not cards:
        return joined([tag("h1", "Pairs"), form, tag("p", "No images were painted for this model.", class_="lead")])
    steps = [
        tag("a", words, href=f"/pairs?{urlencode({'label': label, 'page': to})}")
        for words, to in (("← earlier", page - 1), ("later →", page + 1))
        if 1 <= to <= pages
    ]
    told = tag("p", f"Page {page} of {pages} ", *steps, class_="steps")
    return joined(
        [tag("h1", "Depth maps and the images painted on them"), form, tag("div", *cards, class_="shots"), told]
    )


def _pair(pair: Pair) -> Markup:
    both = np.concatenate([np.repeat(pair.depth[..., None], 3, axis=2), pair.image], axis=1)
    link = Place("id", pair.object_id).link("/shape")
    picture = tag("a", tag("img", src=data_uri(both), alt=pair.object_id), href=link)
    return tag("div", picture, tag("p", tag("b", pair.label), f" {pair.caption}"), class_="shot")


def rejected_page(found: Sequence[TurnedAway]) -> Markup:
    """Everything that a stage could make nothing of."""
    if not found:
        return joined(
            [tag("h1", "Turned away"), tag("p", "Nothing: every shape went through all stages.", class_="lead")]
        )
    rows = ((one.stage, one.object_id, one.reason) for one in found)
    return joined(
        [tag("h1", f"Turned away: {len(found):,}"), table(("Stage", "Shape", "Reason"), rows, id="rejected")]
    )


def trouble_page(sentence: str) -> Markup:
    """What went wrong, in one sentence."""
    return joined([tag("h1", "That did not work"), tag("p", sentence, class_="warning", role="alert")])
