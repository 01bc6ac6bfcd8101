"""What a Span can be asked: `span._.knn_score`, whether it is `knn_unknown`, and its
`knn_evidence`."""

from functools import partial
from typing import Any

from spacy.tokens import Span

from ..ty import TokenExplanation

FACTORY = {"factory": "knn_ner"}  # marks the groups whose values are ours
# Extension → the values in the attrs of `doc.spans`.
EXTENSIONS = {"knn_score": "scores", "knn_unknown": "unknown"}


def known_of(span: Span, *, values: str) -> Any:
    """What is known of an entity that a `knn_ner` has found.

    span (Span): One of `doc.ents`, say.
    values (str): `"scores"` or `"unknown"`.
    RETURNS (float | bool | None): None if it is no such entity, or was not computed.
    """
    for group in span.doc.spans.values():
        ours = group.attrs.get("factory") == FACTORY["factory"]
        if ours and values in group.attrs:
            for found, value in zip(group, group.attrs[values], strict=True):
                same = (found.start, found.end) == (span.start, span.end)
                if same and found.label == span.label:
                    return value
    return None


def evidence_of(span: Span, knn: Any, *, n: int = 5) -> list[TokenExplanation]:
    """How the tokens of a Span came by their tags, and on what evidence.

    span (Span): Any, from the component's pipeline.
    knn (KnnNer): The component; a Doc does not know its pipeline.
    n (int): Neighbors per token and tier, at most. Default: 5.
    RETURNS (list[TokenExplanation]): One per token.
    """
    return knn.explain_tokens(span.doc, range(span.start, span.end), n=n)


for name, values in EXTENSIONS.items():
    if not Span.has_extension(name):
        Span.set_extension(name, getter=partial(known_of, values=values))
if not Span.has_extension("knn_evidence"):
    Span.set_extension("knn_evidence", method=evidence_of)
