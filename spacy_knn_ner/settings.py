"""The settings of `knn_ner`: each is declared once, with default, check and
description.

They are grouped as the blocks of a config: `keys`, `corrections`, `few_shot` and
`lookup`. The blocks `index` and `interpolation` name registered functions instead; see
registry.py.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from .datastore.blocks import DTYPES
from .datastore.distances import METRICS
from .errors import Errors, KnnNerError

SOURCES = ("auto", "ner_tagger", "transformer", "tensor", "ner", "vectors", "words")
POOLINGS = ("mean", "first", "last", "pieces")
DECODINGS = ("viterbi", "argmax")
FEW_SHOT_VOTES = ("all", "nearest")
LOOKUP_MODES = ("lossless", "margin", "all")

# A check returns what it expects, or an empty text if the value is valid.
Check = Callable[[Any], str]


# --- checks ------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _proportion(value: Any) -> str:
    valid = _is_number(value) and 0 <= value <= 1
    return "" if valid else "expected a number from 0 to 1"


def _positive_or_none(value: Any) -> str:
    valid = value is None or (_is_number(value) and value > 0)
    return "" if valid else "expected a number above 0, or null"


def _positive(value: Any) -> str:
    return "" if _is_number(value) and value > 0 else "expected a number above 0"


def _not_negative(value: Any) -> str:
    return "" if _is_number(value) and value >= 0 else "expected a number >= 0"


def _count_or_none(value: Any) -> str:
    valid = value is None or (_is_int(value) and value >= 1)
    return "" if valid else "expected an integer >= 1, or null for all"


def _width_or_none(value: Any) -> str:
    valid = value is None or (_is_int(value) and value >= 1)
    return "" if valid else "expected an integer >= 1, or null for none"


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "expected true or false"


def _boolean_or_none(value: Any) -> str:
    valid = value is None or isinstance(value, bool)
    return "" if valid else "expected true, false or null"


def _whole(value: Any) -> str:
    return "" if _is_int(value) else "expected an integer"


def _one_of(values: tuple[str, ...]) -> Check:
    listed = ", ".join(f'"{value}"' for value in values)
    return lambda value: "" if value in values else f"expected one of {listed}"


def _setting(default: Any, check: Check, text: str) -> Any:
    return field(default=default, metadata={"check": check, "text": text})


# --- the groups ----------------------------------------------------------------


@dataclass(frozen=True)
class KeySettings:
    """Which vectors serve as keys. See `describe` for what each setting means."""

    source: str = _setting(
        "auto",
        _one_of(SOURCES),
        '`"ner_tagger"`: the tagger\'s own encoder. `"transformer"`: `doc._.trf_data` '
        'of spacy-transformers or spacy-curated-transformers. `"tensor"`: '
        '`doc.tensor`, which a tok2vec leaves. `"ner"`: the own encoder of an `ner`, '
        'run once more. `"vectors"`: static vectors. `"words"`: none; corrections act '
        'by words alone, and there is no store. `"auto"`: the first of these that '
        "there is",
    )
    layer: int = _setting(
        -1, _whole, "layer of the transformer; −1 is the last, 0 the embeddings"
    )
    pooling: str = _setting(
        "mean",
        _one_of(POOLINGS),
        'a token\'s vector is the `"mean"`, `"first"` or `"last"` of its word '
        'pieces; `"pieces"`: one key per word piece, as in the paper\'s code',
    )
    projection: int | None = _setting(
        None,
        _width_or_none,
        "numbers per key, such as 128, after a linear projection that `build` fits to "
        "the store's tags by contrast; `null`: the vectors as they are",
    )
    dtype: str = _setting(
        "float32", _one_of(DTYPES), 'how keys are stored: `"float32"` or `"float16"`'
    )


@dataclass(frozen=True)
class CorrectionSettings:
    """How much corrections count. See `describe` for what each setting means."""

    weight: float = _setting(
        0.9, _proportion, "weight of a correction's vote at distance 0, in scores"
    )
    radius: float | None = _setting(
        None,
        _positive_or_none,
        "distance beyond which a correction does not apply to the same words, in units "
        "of the metric; `null`: as far as 99 % of the store's words are from the same "
        "words elsewhere, and without a store any",
    )
    temperature: float = _setting(
        0.25,
        _positive,
        "of several annotations of the same words, one that is twice as far counts "
        "2^(1/temperature) times less",
    )
    votes: float = _setting(
        16.0,
        _positive,
        "how many store entries with the same words one correction outweighs",
    )
    other_words_radius: float = _setting(
        0.0,
        _not_negative,
        "radius for other words, where a correction is nearer than the whole store; "
        "for new entity types. 0: off",
    )


@dataclass(frozen=True)
class FewShotSettings:
    """How a new type is learned from a few corrections. See `describe` for what each
    setting means."""

    share: float = _setting(
        0.0,
        _proportion,
        "in texts of the corrections' domain, corrections vote for all words: in those "
        "that are more like the corrections than all but this share of the store's own "
        "texts, such as 0.005. 0: off",
    )
    votes: str = _setting(
        "all",
        _one_of(FEW_SHOT_VOTES),
        '`"all"`: every corrected token votes; `"nearest"`: the nearest of each tag '
        "(NNShot)",
    )
    transitions: float = _setting(
        0.5,
        _not_negative,
        "how much it counts that parts of entities follow each other as in the store: "
        "an exponent of probabilities (StructShot). 0: not at all",
    )


@dataclass(frozen=True)
class LookupSettings:
    """Which tokens are looked up. See `describe` for what each setting means."""

    mode: str = _setting(
        "lossless",
        _one_of(LOOKUP_MODES),
        '`"lossless"`: the tokens whose tag neighbors could change. `"margin"`: '
        "those whose best tag leads by at most `margin`, which can change results. "
        '`"all"`: every token',
    )
    margin: float = _setting(0.2, _proportion, 'for `mode = "margin"`')
    score_entities: bool = _setting(
        True, _boolean, "look up the tokens of all entities, for their scores"
    )


@dataclass(frozen=True)
class Settings:
    """The settings of `knn_ner`. See `describe` for what each of them means."""

    k: int | None = _setting(
        32, _count_or_none, "neighbors that vote; `null` (`None`): every entry"
    )
    temperature: float = _setting(
        0.05,
        _positive,
        "temperature of equation 3, in units of the metric: how fast votes fade with "
        "distance",
    )
    metric: str = _setting(
        "cosine", _one_of(METRICS), 'or `"euclidean"`, `"sqeuclidean"`'
    )
    decoding: str = _setting(
        "viterbi",
        _one_of(DECODINGS),
        '`"viterbi"`: the best valid tag sequence; `"argmax"`: the best tag of each '
        "token, then repaired",
    )
    base_confidence: float = _setting(
        0.6,
        _proportion,
        "probability of the entities, and of the `O`, of a component without "
        "probabilities, such as `ner`",
    )
    verify: bool | None = _setting(
        None,
        _boolean_or_none,
        "when a damaged file of keys, or of an index, is noticed (others always are "
        "when they are loaded): `true`: when it is loaded; `null`: then too, unless "
        "they have more than 256 MiB, which are read through before the first search; "
        "`false`: when `spacy knn info --check` is run",
    )
    keys: KeySettings = field(default_factory=KeySettings)
    corrections: CorrectionSettings = field(default_factory=CorrectionSettings)
    few_shot: FewShotSettings = field(default_factory=FewShotSettings)
    lookup: LookupSettings = field(default_factory=LookupSettings)

    def replace(self, name: str, **changes: Any) -> "Settings":
        """Make a checked copy with changes.

        name (str): The component, for messages.
        changes (Any): Settings by name; a group may be a dict of some of its own.
        RETURNS (Settings): The copy.
        RAISES (KnnNerError): For a value that is not valid.
        """
        return _replaced(self, name, "", changes)

    def config(self) -> dict[str, Any]:
        """Convert to a config block."""
        return asdict(self)


G = TypeVar("G")


def _replaced(group: G, name: str, prefix: str, changes: dict[str, Any]) -> G:
    """A copy of a group with checked changes."""
    by_name = {f.name: f for f in fields(group)}  # type: ignore[arg-type]
    checked: dict[str, Any] = {}
    for key, value in changes.items():
        setting = f"{prefix}{key}"
        if isinstance(value, np.generic):
            value = value.item()  # as a config can hold it
        if key not in by_name:
            _refuse(name, setting, value, f"expected one of {sorted(by_name)}")
        current = getattr(group, key)
        if is_dataclass(current):
            if isinstance(value, type(current)):
                value = vars(value)
            if not isinstance(value, dict):
                _refuse(name, setting, value, "expected a block of settings")
            checked[key] = _replaced(current, name, f"{setting}.", value)
        else:
            expected = by_name[key].metadata["check"](value)
            if expected:
                _refuse(name, setting, value, expected)
            checked[key] = value
    return replace(group, **checked)  # type: ignore[type-var]


def _refuse(name: str, setting: str, value: Any, expected: str) -> None:
    raise KnnNerError(
        Errors.E040, name=name, setting=setting, value=value, expected=expected
    )


def describe(group: Any = None, prefix: str = "") -> dict[str, tuple[Any, str]]:
    """List all settings: dotted name → default and description.

    group (Any), prefix (str): For the groups within. Default: `Settings()`.
    """
    group = Settings() if group is None else group
    found: dict[str, tuple[Any, str]] = {}
    for f in fields(group):
        value = getattr(group, f.name)
        if is_dataclass(value):
            found |= describe(value, f"{prefix}{f.name}.")
        else:
            found[f"{prefix}{f.name}"] = value, f.metadata["text"]
    return found


class Setting:
    """A setting as an attribute of its component: `knn.k = 8` checks and keeps it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, component: Any, owner: type) -> Any:
        return self if component is None else getattr(component.settings, self.name)

    def __set__(self, component: Any, value: Any) -> None:
        component.set_settings(**{self.name: value})
