"""The settings of `knn_ner`: checked when they are set, kept with the pipeline."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from dataclasses import replace as replaced
from typing import Any

import numpy as np

from ..datastore.datastore import DTYPES, STORE
from ..datastore.distances import METRICS
from ..datastore.faiss_index import INDEXES, from_factory
from ..errors import Errors, KnnNerError
from ..tags import DECODINGS
from .keys import POOLINGS, SOURCES, KeySettings

LOSSLESS = "lossless"
# Divisible by every number of parts that a product quantizer is likely to have.
_ANY_WIDTH = 3840


@dataclass(frozen=True)
class Settings:
    """How the neighbors are found, and how much they count.

    k (int | None): How many neighbors vote. None (`null` in a config): every
        entry. Default: 32.
    temperature (float): T of equation 3, in units of the metric: how fast votes
        fade with distance. Default: 0.05.
    weight (float): Of the store's vote, 0 to 1; the paper's λ is 1 − weight.
        Default: 0.3.
    metric (str): `"cosine"` (default), `"euclidean"` or `"sqeuclidean"`.
    index (str): `"exact"` (default): exact search that compares principal components
        first, where that spares most of the work; on a GPU as `"torch"`. `"flat"`:
        FAISS compares all keys. `"torch"`: so does torch on spaCy's device. `"auto"`:
        approximate for large stores. Any other string is for FAISS's index factory.
        Corrections are always searched exactly.
    keys (KeySettings): Which vectors are compared.
    base_confidence (float): Of entities that a component without probabilities has
        set, such as spaCy's `ner`, and of its `O`, 0 to 1. Default: 0.6. Of an
        `ner_tagger` the probabilities are known, and it is not used.
    decoding (str): `"viterbi"` (default): the best valid tag sequence.
        `"argmax"`: every token's best tag, then repaired.
    gate (str | float | None): Which tokens are not looked up in the store.
        `"lossless"` (default): those whose tag no vote can change; from a `weight` of
        0.5 on there are none. A number from 0 to 1, which may change what is found:
        those whose best tag leads by more than this. None (`null`): all are looked up.
    scores (bool): Look up the tokens of all entities, for their scores. Default:
        True. Without it an entity that the gate passed over has none.
    score_temperature (float): Scores are of p_final^(1/T), so that they say how often
        such entities are right; `spacy knn tune` finds it. Default: 1.
    unknown_distance (float | None): An entity is unknown (`span._.knn_unknown`) if one
        of its tokens is farther than this from everything that was seen; `spacy knn
        tune` finds it. Default: None, nobody can tell.
    correction_weight (float): Of the corrections' vote at distance 0, 0 to 1.
        Default: 0.9.
    correction_temperature (float): T of the corrections' vote, as a share of the
        radius. Default: 0.1.
    correction_votes (float): As how many entries of the store with the same words a
        correction counts; those vote beside it. Default: 16.
    radius (float): The distance from which corrections count no more, in units
        of the metric, where the same words stand. Default: 0.5.
    other_words_radius (float): The same for other words, where a correction is nearer
        than every entry of the store; for new types of entities. Default: 0, not at
        all: it takes a search for most tokens.
    """

    k: int | None = 32
    temperature: float = 0.05
    weight: float = 0.3
    metric: str = "cosine"
    index: str = "exact"
    keys: KeySettings = field(default_factory=KeySettings)
    base_confidence: float = 0.6
    decoding: str = "viterbi"
    gate: str | float | None = LOSSLESS
    scores: bool = True
    score_temperature: float = 1.0
    unknown_distance: float | None = None
    correction_weight: float = 0.9
    correction_temperature: float = 0.1
    correction_votes: float = 16.0
    radius: float = 0.5
    other_words_radius: float = 0.0

    def replace(self, name: str, **changes: Any) -> "Settings":
        """A checked copy with changes.

        name (str): The component, for messages.
        changes (Any): Settings by name; `keys` may be a dict of some of its own.
        RETURNS (Settings): The copy.
        RAISES (KnnNerError): For a value that is not possible.
        """
        for setting, value in changes.items():
            if isinstance(value, np.generic):
                changes[setting] = value.item()  # as a config can hold it
        keys = changes.get("keys", self.keys)
        if isinstance(keys, dict):
            unknown = set(keys) - {f.name for f in fields(KeySettings)}
            if unknown:
                _refuse(name, "keys", keys, f"there is no {sorted(unknown)[0]!r} in it")
            changes["keys"] = replaced(self.keys, **keys)
        elif not isinstance(keys, KeySettings):
            _refuse(name, "keys", keys, "expected its settings by name")
        copy = replaced(self, **changes)
        copy._check(name)
        return copy

    def _check(self, name: str) -> None:
        for setting, check in _CHECKS.items():
            value: Any = self
            for part in setting.split("."):
                value = getattr(value, part)
            expected = check(value)
            if expected:
                _refuse(name, setting, value, expected)

    def tier_index(self, tier: str) -> str:
        """The index of this tier. Corrections are few, and each of them counts."""
        exact = tier == STORE or self.index == "torch"
        return self.index if exact else "flat"

    def config(self) -> dict[str, Any]:
        """As they stand in a config."""
        return asdict(self)


# A check says what it expected, or nothing if the value is fine.
Check = Callable[[Any], str]


def _refuse(name: str, setting: str, value: Any, expected: str) -> None:
    raise KnnNerError(
        Errors.E040, name=name, setting=setting, value=value, expected=expected
    )


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _share(value: Any) -> str:
    fine = _is_number(value) and 0 <= value <= 1
    return "" if fine else "expected a number from 0 to 1"


def _positive(value: Any) -> str:
    return "" if _is_number(value) and value > 0 else "expected a number above 0"


def _positive_or_none(value: Any) -> str:
    fine = value is None or not _positive(value)
    return "" if fine else "expected a number above 0, or null"


def _not_negative(value: Any) -> str:
    return "" if _is_number(value) and value >= 0 else "expected a number from 0 on"


def _count_or_none(value: Any) -> str:
    fine = value is None or (_is_whole(value) and value >= 1)
    return "" if fine else "expected a whole number from 1 on, or null for all"


def _gate(value: Any) -> str:
    fine = value in (LOSSLESS, None) or (_is_number(value) and 0 <= value <= 1)
    return "" if fine else f'expected "{LOSSLESS}", a number from 0 to 1, or null'


def _index(value: Any) -> str:
    if value in INDEXES:
        return ""
    try:
        from_factory(value, _ANY_WIDTH)
    except (KnnNerError, TypeError):
        names = ", ".join(f'"{name}"' for name in INDEXES)
        return f"expected one of {names}, or a string for FAISS's index factory"
    return ""


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "expected true or false"


def _whole(value: Any) -> str:
    return "" if _is_whole(value) else "expected a whole number"


def _one_of(values: tuple[str, ...]) -> Check:
    listed = ", ".join(f'"{value}"' for value in values)
    return lambda value: "" if value in values else f"expected one of {listed}"


_CHECKS: dict[str, Check] = {
    "k": _count_or_none,
    "temperature": _positive,
    "weight": _share,
    "metric": _one_of(METRICS),
    "index": _index,
    "keys.source": _one_of(SOURCES),
    "keys.layer": _whole,
    "keys.pooling": _one_of(POOLINGS),
    "keys.dtype": _one_of(DTYPES),
    "base_confidence": _share,
    "decoding": _one_of(DECODINGS),
    "gate": _gate,
    "scores": _boolean,
    "score_temperature": _positive,
    "unknown_distance": _positive_or_none,
    "correction_weight": _share,
    "correction_temperature": _positive,
    "correction_votes": _positive,
    "radius": _positive,
    "other_words_radius": _not_negative,
}


class Setting:
    """A setting as an attribute of its component: `knn.k = 8` checks and keeps it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, component: Any, owner: type) -> Any:
        return self if component is None else getattr(component.settings, self.name)

    def __set__(self, component: Any, value: Any) -> None:
        component.set_settings(**{self.name: value})
