"""A corpus that is encoded once, and predicted as often as one likes."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span

from spacy_knn_ner.evaluation.encoded import encode
from spacy_knn_ner.pipeline.labelled import labelled_text
from spacy_knn_ner.pipeline.mixing import Queries, p_final, silent
from spacy_knn_ner.tags import MISSING
from spacy_knn_ner.ty import LabelledText, TokenKeys

Entity = tuple[int, int, str]


@dataclass
class Stream:
    """A corpus, encoded once, and predicted as often as one likes."""

    knn: Any
    docs: list[Doc]
    queries: Queries
    texts: list[LabelledText]
    store: Any
    base: np.ndarray = field(init=False)
    ids: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        queries, settings = self.queries, self.knn.settings
        self.base = p_final(queries.p_ner, self.store, silent(queries), settings)
        self.ids = self._decoded(self.base)

    def _decoded(self, p: np.ndarray) -> np.ndarray:
        return self.queries.tag_set.decode(p, self.knn.decoding, self.queries.lengths)

    @cached_property
    def starts(self) -> np.ndarray:
        """First token of each Doc, and the number of tokens."""
        return np.cumsum([0, *self.queries.lengths])

    @cached_property
    def gold(self) -> np.ndarray:
        """The right tags, `MISSING` where nothing is judged."""
        tag_set = self.queries.tag_set
        parts = [
            tag_set.encode(len(t.words), t.entities, t.missing) for t in self.texts
        ]
        return np.concatenate(parts)

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Tags and probabilities with the corrections of the moment."""
        corrections = self.knn.corrections(self.queries, self.ids)
        if not corrections.p_knn.any():
            return self.ids, self.base
        queries, settings = self.queries, self.knn.settings
        p = p_final(queries.p_ner, self.store, corrections, settings)
        return self._decoded(p), p

    def keys(self, i: int) -> TokenKeys:
        """Of one Doc."""
        keys, (start, end) = self.queries.keys, self.starts[i : i + 2]
        mine = (keys.tokens >= start) & (keys.tokens < end)
        return TokenKeys(keys.vectors[mine], keys.tokens[mine] - start, end - start)

    def correct(self, i: int) -> list[int]:
        """Add the gold annotation of one Doc."""
        return self.knn.datastore.correct([self.texts[i]], [self.keys(i)])

    def entities(self, ids: np.ndarray, i: int) -> set[Entity]:
        """What is found in one Doc, where it is judged."""
        start, end = self.starts[i : i + 2]
        judged = self.gold[start:end] != MISSING
        known = {label for text in self.texts for *_, label in text.entities}
        return {
            (first, last, label)
            for first, last, label in self.queries.tag_set.spans(ids[start:end])
            if judged[first:last].all() and label in known
        }

    def gold_entities(self, i: int) -> set[Entity]:
        """What should be found in one Doc."""
        return self.entities(self.gold.clip(0), i)

    def wrong_tokens(self, ids: np.ndarray) -> np.ndarray:
        """Shape (n_tokens,), bool. Labels that the corpus lacks are not judged."""
        tag_set, gold = self.queries.tag_set, self.gold
        known = {label for text in self.texts for *_, label in text.entities}
        judged = [tag == "O" or tag[2:] in known for tag in tag_set.tags]
        right = np.where(np.array(judged)[ids], ids == gold, gold <= 0)
        return ~right & (gold != MISSING)


def read_stream(
    knn: Any,
    docs: list[Doc],
    names: dict[str, str],
    cache: Path | None,
    *,
    new: tuple[str, ...] = (),
) -> Stream:
    """A corpus, with the labels that it shares with the tagger.

    new (tuple[str, ...]): Further labels that it may come to have.
    """
    if names:
        docs = [renamed(doc, names) for doc in docs]
    queries = encode(knn, docs, cache=cache, show_progress=True)
    texts = [labelled_text(doc, knn.name) for doc in docs]
    labels = {label for text in texts for *_, label in text.entities}
    queries = queries.with_labels(sorted(labels.union(new)))
    return Stream(knn, docs, queries, texts, knn.votes(queries))


def names_of(labels: str) -> dict[str, str]:
    """`person=PER,location=LOC` → new names by old ones."""
    return dict(pair.split("=") for pair in labels.split(",") if pair)


def renamed(doc: Doc, names: dict[str, str]) -> Doc:
    """With other labels; of entities with further ones nothing is said."""
    entities, missing = [], []
    for ent in doc.ents:
        if ent.label_ in names:
            entities.append(Span(doc, ent.start, ent.end, label=names[ent.label_]))
        else:
            missing.append(doc[ent.start : ent.end])
    copy = doc.copy()
    copy.set_ents(entities, missing=missing, default="outside")
    return copy
