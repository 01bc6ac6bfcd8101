"""Annotated texts ⇄ what SQLite keeps of them."""

import hashlib
import json
from typing import Any

from ..types import AnnotatedText, StoredExample


def digest(text: AnnotatedText) -> str:
    """Compute a digest of the words; where spaces are does not matter.

    text (AnnotatedText): The text.
    """
    words = json.dumps(text.words).encode()
    return hashlib.blake2b(words, digest_size=8).hexdigest()


def dump(text: AnnotatedText) -> str:
    """Serialize an annotated text as JSON.

    text (AnnotatedText): The text.
    """
    annotation: dict[str, Any] = {
        "words": text.words,
        "spaces": "".join("01"[space] for space in text.spaces),
        "entities": text.entities,
        "missing": text.missing,
        "sentence_starts": text.sentence_starts,
        "document": text.document,
    }
    if text.contexts is not None:
        annotation["contexts"] = text.contexts
    return json.dumps(annotation, ensure_ascii=False)


def load_example(row: tuple[int, str, str, str | None]) -> StoredExample:
    """Load an example.

    row (tuple): Its id, its part, what `dump` made of its text, and its source.
    """
    annotation = json.loads(row[2])
    annotated = AnnotatedText(
        words=annotation["words"],
        spaces=[space == "1" for space in annotation["spaces"]],
        entities=[(start, end, label) for start, end, label in annotation["entities"]],
        missing=annotation["missing"],
        sentence_starts=annotation["sentence_starts"],
        document=annotation.get("document"),  # not in the first files
        contexts=annotation.get("contexts"),
    )
    return StoredExample(row[0], row[1], annotated, row[3])
