"""The factory `knn_ner`: the tagger's distribution, interpolated with neighbors'."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language

from ..datastore.index.base import IndexFactory
from ..inference.interpolation import Interpolation
from ..reading.annotations import SCORE_WEIGHTS
from ..settings import Settings
from .config_blocks import BLOCKS
from .knn_ner import KnnNer


@Language.factory(
    "knn_ner",
    requires=[],  # vectors may be in one of several attributes; see keys.source
    assigns=[
        "doc.ents",
        "token.ent_iob",
        "token.ent_type",
        "doc.spans",
        "doc._.knn_ner_base",
        "span._.knn_score",
        "span._.knn_unknown",
    ],
    default_config={
        **Settings().config(),
        **BLOCKS,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_knn_ner(
    nlp: Language,
    name: str,
    k: int | None,
    temperature: float,
    metric: str,
    decoding: str,
    base_confidence: float,
    keys: dict[str, Any],
    corrections: dict[str, Any],
    lookup: dict[str, Any],
    index: IndexFactory,
    interpolation: Interpolation,
    scorer: Callable | None,
) -> KnnNer:
    """Make a KnnNer component. The settings are described in settings.py.

    index (IndexFactory): From a function of `knn_indexes`.
    interpolation (Interpolation): From a function of `knn_interpolations`.
    scorer (Callable | None): Scores examples. Default: spaCy's span F1.
    RAISES (KnnNerError): For a setting that is not valid.
    """
    settings = Settings().replace(
        name,
        k=k,
        temperature=temperature,
        metric=metric,
        decoding=decoding,
        base_confidence=base_confidence,
        keys=keys,
        corrections=corrections,
        lookup=lookup,
    )
    return KnnNer(nlp, name, settings, index, interpolation, scorer=scorer)
