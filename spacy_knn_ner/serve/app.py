"""The web application: one page, and its requests to a `Session`."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, redirect, request
from werkzeug.exceptions import Forbidden, HTTPException, Unauthorized

from ..errors import Errors, KnnNerError
from .access import HEADERS, Access
from .session import Session

_MOST_BYTES = 1 << 20  # of a request


def create_app(session: Session, access: Access | None = None) -> Flask:
    """Make the application.

    session (Session): The pipeline.
    access (Access | None): Which requests are answered. Default: those of this machine.
    RETURNS (Flask): For any WSGI server.
    """
    access = Access.at("127.0.0.1") if access is None else access
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]

    @app.before_request
    def check() -> None:
        is_page = request.path == "/" or request.path.startswith("/static/")
        refusal = access.refusal(request.host, dict(request.headers), is_page=is_page)
        if refusal:
            raise Forbidden(refusal)
        if not is_page and not access.knows(_token()):
            raise Unauthorized("Open the address with ?token=… that serve has printed.")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.errorhandler(KnnNerError)
    def clear_error(error: KnnNerError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @app.errorhandler(RecursionError)
    def too_deep(error: RecursionError) -> tuple[Response, int]:
        return jsonify(error="The JSON is nested too deeply."), 400

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500

    @app.get("/")
    def page() -> Any:
        token = request.args.get("token")
        if token is None:
            return app.send_static_file("page.html")
        if not access.knows(token):
            raise Unauthorized("This token is not the one that serve has printed.")
        # Not in the address any more, which is seen and kept in many places.
        response = redirect("/", code=303)
        response.set_cookie(_cookie(), token, httponly=True, samesite="Strict")
        return response

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


def _cookie() -> str:
    """The name of the cookie: other ports of a host get the same cookies."""
    return f"knn_token_{request.host.rpartition(':')[2]}"


def _token() -> str | None:
    """The token of a request: a program sends it as a header."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else request.cookies.get(_cookie())


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
