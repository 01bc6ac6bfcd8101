"""The web application: the page, and the API beside it."""

import logging
import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ..errors import KnnNerError
from . import api, page
from .access import HEADERS, Access
from .metrics import CONTENT_TYPE, Metrics
from .service import Service
from .session import Session

logger = logging.getLogger("spacy_knn_ner")

_MOST_BYTES = 1 << 20  # of a request
# Of errors; the others are 400: the request does not fit.
_STATUS = {
    "KNN-E037": 404,  # no such correction
    "KNN-E076": 409,  # another process has saved
    "KNN-E117": 507,  # no room
    **dict.fromkeys(("KNN-E111", "KNN-E122", "KNN-E126", "KNN-E129"), 500),
    # Later it may work.
    **dict.fromkeys(("KNN-E077", "KNN-E101", "KNN-E118", "KNN-E125", "KNN-E127"), 503),
}
_ABOUT = (
    "Entities of texts, why they are, and corrections that take effect at once. Beyond "
    "loopback a request needs the header `Authorization: Bearer TOKEN`."
)


def create_app(
    session: Session, access: Access | None = None, *, has_page: bool = True
) -> FastAPI:
    """Make the application.

    session (Session): The pipeline.
    access (Access | None): Which requests are answered. Default: those of this machine.
    has_page (bool): Whether there is the page, or the API alone. Default: True.
    RETURNS (FastAPI): For any ASGI server.
    """
    access = Access.at("127.0.0.1") if access is None else access
    # Its own pages of documentation load scripts from elsewhere.
    app = FastAPI(
        title="spacy-knn-ner",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
    )
    metrics = Metrics(session.knn)

    @app.middleware("http")
    async def guard(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        started = time.perf_counter()
        try:
            refused = _refused(request, access)
            response = await call_next(request) if refused is None else refused
        except Exception:
            logger.exception("A request failed")
            response = _problem(500, "The service failed; its log says why.")
        response.headers.update(HEADERS)
        metrics.count(
            _route_of(request), response.status_code, time.perf_counter() - started
        )
        return response

    @app.exception_handler(KnnNerError)
    def clear_error(request: Request, error: KnnNerError) -> Response:
        return _problem(_STATUS.get(error.code, 400), str(error))

    @app.exception_handler(RequestValidationError)
    def not_valid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(422, f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> Response:
        response = _problem(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        described = app.openapi()["paths"].get(_route_of(request), {})
        if error.status_code == 405 and described:  # several routes share the path
            response.headers["Allow"] = ", ".join(sorted(map(str.upper, described)))
        return response

    @app.get("/metrics", tags=["service"], response_class=Response)
    async def read_metrics() -> Response:
        """Counts for Prometheus: requests, their time, tokens, tokens looked up,
        entries."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    app.include_router(api.router(Service(session)))
    if has_page:
        page.add(app, session, access)
    return app


def _problem(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)


def _route_of(request: Request) -> str:
    """The path of a request, with names in place of what differs."""
    return getattr(request.scope.get("route"), "path", "other")


def _refused(request: Request, access: Access) -> Response | None:
    """The answer to a request that goes no further."""
    # Not that of request.url, which is made with the Host that the client names.
    path, headers = request.scope["path"], request.headers
    is_page = path == "/" or path.startswith("/static/")
    host = headers.get("host", "")
    refusal = access.refusal(host, headers, is_page=is_page)
    if refusal:
        return _problem(403, refusal)
    is_open = is_page or path == "/healthz"
    if not is_open and not access.knows(_token(request)):
        response = _problem(401, "Send the token: Authorization: Bearer TOKEN.")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal():
        return _problem(411, "Send the length of the body (Content-Length).")
    if int(length) > _MOST_BYTES:
        return _problem(413, f"A request has at most {_MOST_BYTES:,} bytes.")
    return None


def _token(request: Request) -> str | None:
    """The token of a request: a program sends it as a header."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token
    return request.cookies.get(page.cookie_of(request))
