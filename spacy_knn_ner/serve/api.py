"""The API, version 1: its requests to a `Service`."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from .schemas import (
    Added,
    Answer,
    Correction,
    Entities,
    Health,
    Listed,
    Problem,
    Question,
    Removed,
    Texts,
)
from .service import Service

Responses = dict[int | str, dict[str, Any]]
_PROBLEMS = {
    400: "What was given does not fit the text, or the pipeline.",
    401: "The token is missing, or another one.",
    403: "The host or the origin is not one of this service.",
    411: "The body has no length.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The body is not as described.",
    409: "Another process has changed the store since it was loaded.",
    500: "The service or its store failed.",
    503: "The store or a search for contexts is away, or the store is being changed.",
    507: "There is no room to save.",
}
_RESPONSES: Responses = {
    status: {"model": Problem, "description": text}
    for status, text in _PROBLEMS.items()
}
_NOT_FOUND: Responses = {
    404: {"model": Problem, "description": "There is no such correction."}
}
_MOST_ID = (1 << 63) - 1
ExampleId = Annotated[int, Path(ge=0, le=_MOST_ID)]


def router(service: Service) -> APIRouter:
    """Make the routes.

    service (Service): What answers.
    """
    routes = APIRouter(responses=_RESPONSES)

    @routes.get("/healthz", tags=["service"])
    async def health() -> Health:
        """Whether the service answers. Needs no token."""
        return Health(model=service.session.name)

    @routes.post("/v1/entities", tags=["v1"])
    def entities(given: Texts) -> Entities:
        """Find the entities of texts."""
        return service.entities(given.texts)

    @routes.post("/v1/explain", tags=["v1"])
    def explain(given: Question) -> Answer:
        """Explain the entities of a text: what the components in front say, and which
        examples vote for what."""
        return service.explain(given)

    @routes.post("/v1/corrections", tags=["v1"], status_code=201)
    def correct(given: Correction) -> Added:
        """Add a correction: it holds from now on, and is saved."""
        return service.add(given)

    @routes.get("/v1/corrections", tags=["v1"])
    def corrections(
        query: Annotated[str, Query(max_length=1000)] = "",
        first: Annotated[int, Query(ge=0, le=_MOST_ID)] = 0,
        most: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Listed:
        """List corrections, the last first: all, or what has `query` in its text, its
        labels or its source."""
        return service.listed(query, first, most)

    @routes.delete("/v1/corrections/{example_id}", tags=["v1"], responses=_NOT_FOUND)
    def forget(example_id: ExampleId) -> Removed:
        """Remove a correction; what it had replaced comes back."""
        return service.forget(example_id)

    return routes
