"""The page, and its requests to a `Session`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from ..errors import Errors, KnnNerError
from .access import Access
from .session import Session

_STATIC = Path(__file__).parent / "static"
_SPAN: dict[str, type] = {"text": str, "paragraph": int, "start": int, "end": int}


def add(app: FastAPI, session: Session, access: Access) -> None:
    """Add the page to an application.

    app (FastAPI): The application.
    session (Session): The pipeline.
    access (Access): For the token.
    """
    app.mount("/static", StaticFiles(directory=_STATIC))

    @app.get("/", include_in_schema=False)
    def page(request: Request, token: str | None = None) -> Response:
        if token is None:
            return FileResponse(_STATIC / "page.html")
        if not access.knows(token):
            raise HTTPException(401, "This is not the token that serve has printed.")
        # Not in the address any more, which is seen and kept in many places.
        response = RedirectResponse("/", status_code=303)
        name = cookie_of(request)
        response.set_cookie(name, token, httponly=True, samesite="strict")
        return response

    app.include_router(_router(session))


def _router(session: Session) -> APIRouter:
    router = APIRouter(prefix="/api", include_in_schema=False)

    def call(method: Callable[..., dict[str, Any]], **values: Any) -> Response:
        with session.lock:
            return JSONResponse({**method(**values), "about": session.about()})

    @router.get("/about")
    def about() -> Response:
        return call(dict)

    @router.post("/tag")
    def tag(body: Body) -> Response:
        return call(session.tag, **_given(body, text=str))

    @router.post("/explain")
    def explain(body: Body) -> Response:
        return call(session.explain, **_given(body, **_SPAN))

    @router.post("/corrections")
    def correct(body: Body) -> Response:
        return call(session.correct, **_given(body, **_SPAN, label=str))

    @router.post("/undo")
    def undo(body: Body) -> Response:
        return call(session.undo)

    @router.get("/corrections")
    def corrections(query: str = "") -> Response:
        return call(session.corrections, query=query)

    @router.delete("/corrections/{example_id}")
    def forget(example_id: int) -> Response:
        return call(session.forget, example_id=example_id)

    @router.post("/save")
    def save(body: Body) -> Response:
        return call(session.save)

    return router


def cookie_of(request: Request) -> str:
    """Name the cookie of the token: other ports of a host get the same cookies.

    request (Request): Any request.
    """
    server = request.scope.get("server") or ("", 0)
    return f"knn_token_{server[1]}"


async def _body(request: Request) -> dict[str, Any]:
    """The values of a request, which must be JSON: no other site can send that without
    permission."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise HTTPException(415, "Send JSON (Content-Type: application/json).")
    try:
        values = await request.json()
    except (ValueError, RecursionError):
        raise HTTPException(
            400, "This is no JSON, or it is nested too deeply."
        ) from None
    return values if isinstance(values, dict) else {}


Body = Annotated[dict[str, Any], Depends(_body)]


def _given(values: dict[str, Any], **types: type) -> dict[str, Any]:
    for name, kind in types.items():
        if type(values.get(name)) is not kind:
            raise KnnNerError(Errors.E083, name=name, kind=kind.__name__)
    return {name: values[name] for name in types}
