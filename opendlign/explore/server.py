"""The pages over HTTP: for browsers of this machine alone, and for nobody's script but our own."""

from collections.abc import Iterable
from importlib import resources
from pathlib import PurePosixPath

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from opendlign.explore import pages
from opendlign.explore.answers import Answers
from opendlign.explore.brought import Table
from opendlign.explore.gallery import Gallery, Shape
from opendlign.explore.listening import HOST
from opendlign.explore.meshes import MOST_TRIANGLES, packed_mesh
from opendlign.explore.pages import Found, Place
from opendlign.explore.tiles import Tiles
from opendlign.explore.turnable import packed
from opendlign.models import Trained
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import Hit, label_lists, packaged_labels
from opendlign_core.evaluation.labels import check_labels
from opendlign_core.evaluation.report.html import Markup, data_uri

MOST_BYTES = 256 << 20
"""Of a file that is brought."""
PAIRS_SHOWN = 12
OWN_SCRIPT = "x-opendlign"
"""A header that only our own page's script sends: another page's would have to ask first, and is not answered."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STATIC = {
    "explore.js": ("opendlign.explore", "static/explore.js", "text/javascript"),
    "viewer.js": ("opendlign.explore", "static/viewer.js", "text/javascript"),
    "explore.css": ("opendlign.explore", "static/explore.css", "text/css"),
    "report.css": ("opendlign_core.evaluation.report", "report.css", "text/css"),
}


def build_server(trained: Trained) -> Starlette:
    """The application that shows one model and its shapes."""
    explorer = Explorer(trained)
    routes = [
        Route("/", explorer.search),
        Route("/shape", explorer.shape),
        Route("/points", explorer.points),
        Route("/mesh", explorer.mesh),
        Route("/picture", explorer.picture),
        Route("/pairs", explorer.pairs),
        Route("/rejected", explorer.rejected),
        Route("/bring", explorer.bring, methods=["POST"]),
        Route("/static/{name}", _static),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return Starlette(routes=routes, middleware=[hosts], exception_handlers={BadInput: explorer.trouble})


class Explorer:
    """What every page needs; its methods are the pages."""

    def __init__(self, trained: Trained) -> None:
        self._gallery, self._answers, self._table = Gallery(trained), Answers(trained), Table(trained)
        self._tiles = Tiles(self._gallery)

    def search(self, request: Request) -> Response:
        words, token = request.query_params.get("q", "").strip(), request.query_params.get("file", "")
        if token:
            return self._search_picture(token)
        hits = self._answers.by_words(words) if words else []
        return self._page("Search", pages.search_page(words, self._found(hits), self._unread([words])))

    def _search_picture(self, token: str) -> Response:
        thing = self._table.get(token)
        if thing is None or isinstance(thing.what, Shape):
            raise BadInput("that picture is not here any more: drop it again")
        pixels = (thing.what * 255).astype("uint8")
        step = -(-max(pixels.shape[:2]) // 320)
        found = self._found(self._answers.by_picture(thing.what))
        return self._page("Search", pages.search_page("", found, "", thing.name, data_uri(pixels[::step, ::step])))

    def shape(self, request: Request) -> Response:
        place, shape = self._asked(request)
        given = request.query_params.get("labels", "").strip()
        names = _wanted(given) if given else self._gallery.labels
        said = self._answers.label(shape, names)
        shown = given or ", ".join(names)
        alike = self._found(hit for hit in self._answers.by_shape(shape) if hit.object_id != shape.name)
        return self._page(shape.name, pages.shape_page(place, shape, shown, said, alike, self._unread(names)))

    def points(self, request: Request) -> Response:
        _, shape = self._asked(request)
        return _sent(Response(packed(shape.points, shape.colors), media_type="application/octet-stream"))

    def mesh(self, request: Request) -> Response:
        """The triangles of a shape; nothing where it has none, or too many to be turned."""
        place, shape = self._asked(request)
        mesh = shape.mesh if place.kind == "file" else self._gallery.mesh(place.name)
        if mesh is None or len(mesh.faces) > MOST_TRIANGLES:
            return _sent(Response(status_code=204))
        return _sent(Response(packed_mesh(mesh, shape.points, shape.colors), media_type="application/octet-stream"))

    def picture(self, request: Request) -> Response:
        drawn = self._tiles.get(request.query_params.get("id", ""))
        if drawn is None:
            return _sent(Response("no such shape", 404))
        return _sent(Response(drawn, media_type="image/webp"))

    def pairs(self, request: Request) -> Response:
        label, asked = request.query_params.get("label", ""), request.query_params.get("page", "1")
        found = self._gallery.painted(label)
        count = max(1, -(-len(found) // PAIRS_SHOWN))
        page = min(max(1, int(asked) if asked.isdecimal() and len(asked) < 9 else 1), count)
        start = (page - 1) * PAIRS_SHOWN
        drawn = (self._gallery.pair(name, place) for place, name in enumerate(found[start : start + PAIRS_SHOWN]))
        shown = [pair for pair in drawn if pair is not None]
        return self._page("Pairs", pages.pairs_page(shown, self._gallery.labels, label, page, count))

    def rejected(self, request: Request) -> Response:
        return self._page("Turned away", pages.rejected_page(self._gallery.turned_away()))

    async def bring(self, request: Request) -> Response:
        """Take a file and say where it is shown."""
        if OWN_SCRIPT not in request.headers:
            return _sent(JSONResponse({"error": "only this page's own script may bring files"}, 403))
        try:
            content, name = await _body(request), request.query_params.get("name", "")
            token = await run_in_threadpool(self._table.put, name, content)
        except BadInput as error:
            return _sent(JSONResponse({"error": str(error)}, 400))
        thing = self._table.get(token)
        page = "/shape" if thing is not None and isinstance(thing.what, Shape) else "/"
        return _sent(JSONResponse({"page": Place("file", token).link(page)}))

    def trouble(self, request: Request, error: Exception) -> Response:
        """A sentence for what a visitor can mend."""
        return self._page("Trouble", pages.trouble_page(str(error)), 400)

    def _asked(self, request: Request) -> tuple[Place, Shape]:
        """The shape that a page is about.

        Raises:
            BadInput: there is none of that name.
        """
        token, object_id = request.query_params.get("file", ""), request.query_params.get("id", "")
        thing = self._table.get(token) if token else None
        if thing is not None and isinstance(thing.what, Shape):
            return Place("file", token), thing.what
        found = self._gallery.shape(object_id) if object_id else None
        if found is None:
            raise BadInput(f"no shape {object_id!r} in this store" if object_id else "that shape is not here any more")
        return Place("id", object_id), found

    def _found(self, hits: Iterable[Hit]) -> list[Found]:
        return [Found(hit, self._gallery.split(hit.object_id)) for hit in hits]

    def _unread(self, texts: "list[str] | tuple[str, ...]") -> str:
        words = self._answers.unread(texts)
        return (
            f"{self._answers.model} never read {', '.join(words)}: what it says of them is a guess." if words else ""
        )

    def _page(self, title: str, body: Markup, status: int = 200) -> Response:
        return _sent(HTMLResponse(pages.whole(title, self._answers.model, body), status))


def _wanted(given: str) -> tuple[str, ...]:
    """A packaged list, or names with commas; never a file of this machine."""
    if given in label_lists():
        return packaged_labels(given)
    names = check_labels((name.strip() for name in given.split(",") if name.strip()), "the labels")
    if len(names) < 2:
        raise BadInput("name at least two labels, such as chair, table, lamp")
    return names


async def _body(request: Request) -> bytes:
    """What was sent, up to a bound."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise BadInput(f"that is more than {MOST_BYTES >> 20} MB")
        parts.append(part)
    return b"".join(parts)


def _static(request: Request) -> Response:
    found = _STATIC.get(PurePosixPath(request.path_params["name"]).name)
    if found is None:
        return _sent(Response("nothing of that name", 404))
    package, name, kind = found
    return _sent(Response((resources.files(package) / name).read_bytes(), media_type=kind))


def _sent(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
