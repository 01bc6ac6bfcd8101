"""What a Span can be asked: `span._.knn_score`."""

import math

from spacy.tokens import Span

SCORE = "knn_score"
FACTORY = {"factory": "knn_ner"}  # marks the groups whose scores are ours


def score_of(span: Span) -> float | None:
    """The score of an entity that a `knn_ner` has found.

    span (Span): One of `doc.ents`, say.
    RETURNS (float | None): None if it is no such entity, or its score was not computed.
    """
    for group in span.doc.spans.values():
        if group.attrs.get("factory") == FACTORY["factory"]:
            for found, score in zip(group, group.attrs["scores"], strict=True):
                same = (found.start, found.end) == (span.start, span.end)
                if same and found.label == span.label:
                    return None if math.isnan(score) else float(score)
    return None


if not Span.has_extension(SCORE):
    Span.set_extension(SCORE, getter=score_of)
