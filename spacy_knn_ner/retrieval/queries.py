"""Queries: a long sentence is searched for in parts."""

import re

from ..ml.contexts.views import words_of

# Behind punctuation that ends a clause, in any of the scripts that have it.
_BORDER = re.compile(r"(?<=[,;:.!?…。，、；：！？])\s*")


def make_queries(sentence: str, max_words: int) -> list[str]:
    """Make the queries of a sentence: itself, or its parts between punctuation marks,
    if it is longer (section 3.1 of CL-NER).

    sentence (str): The sentence.
    max_words (int): Of a query; a part without punctuation may have more.
    RETURNS (list[str]): None of them empty.
    """
    sentence = sentence.strip()
    if len(words_of(sentence)) <= max_words:
        return [sentence] if sentence else []
    parts = [part.strip() for part in _BORDER.split(sentence)]
    return [part for part in parts if any(c.isalnum() for c in part)]
