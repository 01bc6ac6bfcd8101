"""Requests and answers of the API. Positions are characters of the text."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

MOST_TEXTS = 256
Position = Annotated[StrictInt, Field(ge=0, lt=1 << 31)]
Source = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Label = Annotated[
    StrictStr, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Texts(_Request):
    """Texts to be read."""

    texts: Annotated[list[StrictStr], Field(max_length=MOST_TEXTS)]


class Entity(BaseModel):
    """An entity; without score if a ruler has set it."""

    start: int
    end: int
    text: str
    label: str
    score: float | None


class Entities(BaseModel):
    """The entities of each text, in order."""

    entities: list[list[Entity]]


class Question(_Request):
    """A text, and the part of it that is explained: all of it, or from `start` to
    `end`."""

    text: Annotated[StrictStr, Field(max_length=10_000)]
    start: Position | None = None
    end: Position | None = None
    neighbors: Annotated[StrictInt, Field(ge=0, le=20)] = 5


class Answer(BaseModel):
    """Why these are the entities: as text, and its parts as `knn.explain` has them."""

    text: str
    entities: list[dict[str, Any]]
    tokens: list[dict[str, Any]]


class GivenSpan(_Request):
    """A part of a text: an entity with this label, or none (null)."""

    start: Position
    end: Position
    label: Label | None


class Correction(_Request):
    """What parts of a text are. `complete`: there are no other entities in it. Without
    `source`, it is that of the service."""

    text: Annotated[StrictStr, Field(min_length=1)]
    spans: Annotated[list[GivenSpan], Field(max_length=1000)]
    complete: StrictBool = False
    source: Source | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Correction":
        if not self.spans and not self.complete:
            raise ValueError("Give spans, or complete = true: there is no entity.")
        return self


class Added(BaseModel):
    """What was added, under which ids, and in words what has become of it."""

    ids: list[int]
    outcome: str


class StoredSpan(BaseModel):
    """An annotated part of a text; null: no entity."""

    start: int
    end: int
    label: str | None


class StoredCorrection(BaseModel):
    """A correction."""

    id: int
    text: str
    spans: list[StoredSpan]
    source: str | None


class Listed(BaseModel):
    """Corrections, the last first, and how many there are in all."""

    count: int
    corrections: list[StoredCorrection]


class Removed(BaseModel):
    """How many entries (tokens) were removed."""

    entries: int


class Health(BaseModel):
    """The pipeline's name."""

    model: str


class Problem(BaseModel):
    """Why a request was refused."""

    error: str
