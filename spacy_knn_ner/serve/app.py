"""The web application: one page, and its requests to a `Session`."""

import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import Forbidden, HTTPException

from ..errors import Errors, KnnNerError
from .session import Session

_MOST_BYTES = 1 << 20  # of a request
_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",  # no other page can frame this one
    ]
)


def create_app(session: Session, *, host: str = "127.0.0.1") -> Flask:
    """Make the application.

    session (Session): The pipeline.
    host (str): Where it listens. On a loopback address, requests must name one: a page
        of another site that resolves to it is refused. Default: "127.0.0.1".
    RETURNS (Flask): For any WSGI server.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    local = host in _LOOPBACK or host == "::1"

    @app.before_request
    def check_host() -> None:
        if local and re.sub(r":\d+$", "", request.host) not in _LOOPBACK:
            raise Forbidden(f"This page is at {host}, not at {request.host}.")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.errorhandler(KnnNerError)
    def clear_error(error: KnnNerError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500

    @app.get("/")
    def page() -> Response:
        return app.send_static_file("page.html")

    def call(method: Callable[..., dict[str, Any]], **values: Any) -> Response:
        with session.lock:
            return jsonify({**method(**values), "about": session.about()})

    @app.get("/api/about")
    def about() -> Response:
        return call(dict)

    @app.post("/api/tag")
    def tag() -> Response:
        return call(session.tag, **_given(text=str))

    @app.post("/api/explain")
    def explain() -> Response:
        return call(session.explain, **_given(**_SPAN))

    @app.post("/api/corrections")
    def correct() -> Response:
        return call(session.correct, **_given(**_SPAN, label=str))

    @app.post("/api/undo")
    def undo() -> Response:
        _given()
        return call(session.undo)

    @app.get("/api/corrections")
    def corrections() -> Response:
        return call(session.corrections, query=request.args.get("query", ""))

    @app.delete("/api/corrections/<int:example_id>")
    def forget(example_id: int) -> Response:
        return call(session.forget, example_id=example_id)

    @app.post("/api/save")
    def save() -> Response:
        _given()
        return call(session.save)

    return app


_SPAN: dict[str, type] = {"text": str, "paragraph": int, "start": int, "end": int}


def _given(**types: type) -> dict[str, Any]:
    """The values of a request, which must be JSON: no other site can send that without
    permission."""
    values = request.get_json()
    if not isinstance(values, dict):
        values = {}
    for name, kind in types.items():
        if type(values.get(name)) is not kind:
            raise KnnNerError(Errors.E083, name=name, kind=kind.__name__)
    return {name: values[name] for name in types}
