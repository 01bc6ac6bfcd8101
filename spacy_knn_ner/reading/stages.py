"""Stages: several `knn_ner` in one pipeline, each with keys and a store of its own.

The next one mixes its neighbors with what the one before has predicted:

    p = (1 − w₂) · [(1 − w₁) · p_base + w₁ · p_kNN₁] + w₂ · p_kNN₂
"""

from typing import Any

from spacy.language import Language

FACTORY = "knn_ner"


def _stages(nlp: Language, component: Any) -> tuple[list[str], list[str]]:
    """The names of the enabled `knn_ner` before and behind a component."""
    enabled = set(nlp.pipe_names)
    before: list[str] = []
    behind: list[str] = []
    found = False
    for name, other in nlp.components:
        if other is component:
            found = True
        elif name in enabled and nlp.get_pipe_meta(name).factory == FACTORY:
            (behind if found else before).append(name)
    return (before, behind) if found else ([], [])


def previous_stages(nlp: Language, component: Any) -> list[str]:
    """List the `knn_ner` before a component, the nearest first: it starts from the
    prediction of the first of them that has left one.

    nlp (Language): The pipeline.
    component (Any): One of its `knn_ner`.
    RETURNS (list[str]): Their names, without disabled ones.
    """
    return _stages(nlp, component)[0][::-1]


def is_followed(nlp: Language, component: Any) -> bool:
    """Check whether another `knn_ner` starts from the prediction of a component.

    nlp (Language), component (Any): As for `previous_stages`.
    """
    return bool(_stages(nlp, component)[1])
