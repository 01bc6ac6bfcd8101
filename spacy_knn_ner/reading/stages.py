"""Stages: several `knn_ner` in one pipeline, each with keys and a store of its own.

The next one mixes its neighbors with what the one before has predicted:

    p = (1 − w₂) · [(1 − w₁) · p_base + w₁ · p_kNN₁] + w₂ · p_kNN₂
"""

from typing import Any

from spacy.language import Language

FACTORY = "knn_ner"


def _stages(nlp: Language, component: Any) -> tuple[list[str], list[str]]:
    """The names of the `knn_ner` before and behind a component of a pipeline."""
    names = [n for n, _ in nlp.components if nlp.get_pipe_meta(n).factory == FACTORY]
    own = [name for name, other in nlp.components if other is component]
    if not own or own[0] not in names:
        return [], []
    i = names.index(own[0])
    return names[:i], names[i + 1 :]


def previous_stage(nlp: Language, component: Any) -> str | None:
    """Find the `knn_ner` whose prediction a component starts from.

    nlp (Language): The pipeline.
    component (Any): One of its `knn_ner`.
    RETURNS (str | None): Its name; None if there is none before it.
    """
    before, _ = _stages(nlp, component)
    return before[-1] if before else None


def is_followed(nlp: Language, component: Any) -> bool:
    """Check whether another `knn_ner` starts from the prediction of a component.

    nlp (Language), component (Any): As for `previous_stage`.
    """
    return bool(_stages(nlp, component)[1])
