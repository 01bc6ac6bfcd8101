"""The factory `knn_ner`: the tagger's distribution, interpolated with neighbors'."""

import warnings
from collections.abc import Callable
from typing import Any

from spacy.language import Language

from ..datastore.index.base import IndexFactory
from ..datastore.place import Place
from ..errors import Warnings, warning
from ..inference.interpolation import Interpolation
from ..reading.annotations import SCORE_WEIGHTS
from ..reading.find_encoder import find_encoder
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
        "doc._.knn_ner_stages",
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
    verify: bool | None,
    keys: dict[str, Any],
    corrections: dict[str, Any],
    few_shot: dict[str, Any],
    lookup: dict[str, Any],
    index: IndexFactory,
    interpolation: Interpolation,
    store: Place,
    scorer: Callable | None,
) -> KnnNer:
    """Make a KnnNer component. The settings are described in settings.py.

    index (IndexFactory): From a function of `knn_indexes`.
    interpolation (Interpolation): From a function of `knn_interpolations`.
    store (Place): From a function of `knn_stores`.
    scorer (Callable | None): Scores examples. Default: spaCy's span F1.
    RAISES (KnnNerError): For a setting that is not valid.
    WARNS (KnnNerWarning): If no component in front leaves vectors.
    """
    settings = Settings().replace(
        name,
        k=k,
        temperature=temperature,
        metric=metric,
        decoding=decoding,
        base_confidence=base_confidence,
        verify=verify,
        keys=keys,
        corrections=corrections,
        few_shot=few_shot,
        lookup=lookup,
    )
    if _without_encoder(nlp, settings.keys.source):
        warnings.warn(warning(Warnings.W005, name=name), stacklevel=2)
    return KnnNer(nlp, name, settings, index, interpolation, store, scorer=scorer)


def _without_encoder(nlp: Language, source: str) -> bool:
    """Whether no component leaves vectors, and all of them declare what they leave."""
    metas = [nlp.get_pipe_meta(name) for name in nlp.component_names]
    declared = all(meta.assigns for meta in metas)
    return declared and source == "auto" and find_encoder(nlp, None, source).is_none
