"""Tag schemes that corpora are written in: found out, read, and repaired."""

from collections.abc import Iterable, Sequence

from ..tags import OUTSIDE, SpanTuple, split_tag, tags_to_spans

# The prefix of an entity's first token, of those inside, of its last one, and of
# an entity of one token. In IOB1, B only parts entities of one label that touch.
_PREFIXES = {
    "IOB1": ("I", "I", "I", "I"),
    "BIO": ("B", "I", "I", "B"),
    "BILUO": ("B", "I", "L", "U"),
    "BIOES": ("B", "I", "E", "S"),
    "BMES": ("B", "M", "E", "S"),
}
SCHEMES = tuple(_PREFIXES)


def prefixes(scheme: str) -> set[str]:
    """List the prefixes that may occur in a scheme, O aside."""
    return {*_PREFIXES[scheme], "B"}


def find_scheme(sequences: Iterable[Sequence[str]]) -> str | None:
    """Find the scheme that some tag sequences are written in.

    IOB1 and BIO have the same prefixes. It is IOB1 where more entities open with I
    than with B.

    sequences (Iterable[Sequence[str]]): The tags of each sentence.
    RETURNS (str | None): One of `SCHEMES`; None if no scheme has all prefixes.
    """
    seen: set[str] = set()
    opened = {"B": 0, "I": 0}
    for tags in sequences:
        before = OUTSIDE
        for tag in tags:
            prefix, label = split_tag(tag)
            if prefix == "B" or (prefix == "I" and split_tag(before)[1] != label):
                opened[prefix] += 1
            seen.add(prefix)
            before = tag
    seen.discard(OUTSIDE)
    if seen <= {"B", "I"}:
        return "IOB1" if opened["I"] > opened["B"] else "BIO"
    fitting = (name for name in SCHEMES[2:] if seen <= prefixes(name))
    return next(fitting, None)


def write_tags(n_tokens: int, spans: Iterable[SpanTuple], scheme: str) -> list[str]:
    """Write the tags of a sentence in a scheme.

    n_tokens (int): Its length.
    spans (Iterable[SpanTuple]): Its entities, in order.
    scheme (str): One of `SCHEMES`.
    RETURNS (list[str]): One per token.
    """
    first, inside, last, single = _PREFIXES[scheme]
    tags = [OUTSIDE] * n_tokens
    for start, end, label in spans:
        touching = start > 0 and split_tag(tags[start - 1])[1] == label
        opening = "B" if touching and scheme == "IOB1" else None
        if end - start == 1:
            tags[start] = f"{opening or single}-{label}"
            continue
        tags[start:end] = [f"{inside}-{label}"] * (end - start)
        tags[start] = f"{opening or first}-{label}"
        tags[end - 1] = f"{last}-{label}"
    return tags


def read_tags(tags: Sequence[str], scheme: str) -> tuple[list[SpanTuple], int]:
    """Read the entities of a sentence, and count the tags that had to be repaired.

    The rule is conlleval's (see `tags_to_spans`): nothing is dropped, and an entity
    that no B opens is opened where it begins. A tag counts as repaired if the
    scheme would write these entities with another one.

    tags (Sequence[str]): One per token.
    scheme (str): One of `SCHEMES`.
    RETURNS (tuple[list[SpanTuple], int]): Entities and repaired tags.
    """
    spans = tags_to_spans(tags)
    right = write_tags(len(tags), spans, scheme)
    return spans, sum(a != b for a, b in zip(tags, right, strict=True))
