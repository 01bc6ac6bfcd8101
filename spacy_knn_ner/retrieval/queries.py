"""Queries: a long sentence is searched for in parts."""

import re

from ..ml.contexts.views import words_of

# Behind punctuation that ends a clause, in any of the scripts that have it; not within
# a number, an abbreviation or an address.
_BORDER = re.compile(r"(?<=[,;:.!?…])\s+|(?<=[。，、；：！？])\s*")


def make_queries(sentence: str, max_words: int) -> list[str]:
    """Make the queries of a sentence: itself; or, if it is longer, its parts between
    punctuation marks, as many together as fit (section 3.1 of CL-NER).

    sentence (str): The sentence.
    max_words (int): Of a query; a part without punctuation may have more.
    RETURNS (list[str]): None of them empty.
    """
    queries: list[str] = []
    room = 0  # words for which there is room in the last query
    start = 0
    borders = [*_BORDER.finditer(sentence), None]
    for border in borders:
        end = len(sentence) if border is None else border.end()
        part = sentence[start:end]
        start = end
        n = len(words_of(part))
        if queries and n <= room:
            queries[-1] += part
            room -= n
        elif n:
            queries.append(part)
            room = max_words - n
    stripped = (query.strip() for query in queries)
    return [query for query in stripped if any(c.isalnum() for c in query)]
