"""A corpus that is encoded once and predicted many times."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span

from spacy_knn_ner.corrections.revising import add_corrections
from spacy_knn_ner.evaluation.leave_one_out import KnownVotes
from spacy_knn_ner.inference.predictor import LOOK_UP_ALL, Predictor
from spacy_knn_ner.reading.annotations import annotated_text
from spacy_knn_ner.reading.cache import encode
from spacy_knn_ner.tags import MISSING
from spacy_knn_ner.types import AnnotatedText, TokenBatch, TokenKeys

Entity = tuple[int, int, str]


@dataclass
class Stream:
    """A corpus that is encoded once and predicted many times."""

    knn: Any
    docs: list[Doc]
    batch: TokenBatch
    texts: list[AnnotatedText]
    votes: Any

    @cached_property
    def starts(self) -> np.ndarray:
        """The first token of each Doc, and the number of tokens."""
        return np.cumsum([0, *self.batch.lengths])

    @cached_property
    def gold(self) -> np.ndarray:
        """The gold tags, `MISSING` where there is no annotation."""
        tag_set = self.batch.tag_set
        parts = [
            tag_set.encode(len(t.words), t.entities, t.missing) for t in self.texts
        ]
        return np.concatenate(parts)

    @cached_property
    def uncorrected(self) -> np.ndarray:
        """The predicted tags without any corrections."""
        return replace(self._predictor(), matcher=None).predict(self.batch).tags

    @cached_property
    def labels(self) -> set[str]:
        """The labels that the corpus has."""
        return {label for text in self.texts for *_, label in text.entities}

    def _predictor(self) -> Predictor:
        return replace(
            self.knn.predictor, retriever=KnownVotes(self.votes), lookup=LOOK_UP_ALL
        )

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Tags and probabilities with the corrections of the moment."""
        predictor = self._predictor()
        prediction = predictor.predict(self.batch)
        return prediction.tags, prediction.p

    def keys(self, i: int) -> TokenKeys:
        """The keys of one Doc."""
        keys, (start, end) = self.batch.keys, self.starts[i : i + 2]
        mine = (keys.tokens >= start) & (keys.tokens < end)
        return TokenKeys(keys.vectors[mine], keys.tokens[mine] - start, end - start)

    def correct(self, i: int) -> list[int]:
        """Add the gold annotation of one Doc."""
        added = add_corrections(self.knn.datastore, [self.texts[i]], [self.keys(i)])
        return [addition.example_id for addition in added]

    def entities(self, ids: np.ndarray, i: int) -> set[Entity]:
        """The predicted entities of one Doc, where it is annotated."""
        start, end = self.starts[i : i + 2]
        judged = self.gold[start:end] != MISSING
        return {
            (first, last, label)
            for first, last, label in self.batch.tag_set.spans(ids[start:end])
            if judged[first:last].all() and label in self.labels
        }

    def gold_entities(self, i: int) -> set[Entity]:
        """The gold entities of one Doc."""
        return self.entities(self.gold.clip(0), i)

    def wrong_tokens(self, ids: np.ndarray) -> np.ndarray:
        """Find wrong tokens, shape (n_tokens,), bool.

        Labels that the corpus lacks do not count."""
        tag_set, gold = self.batch.tag_set, self.gold
        judged = [tag == "O" or tag[2:] in self.labels for tag in tag_set.tags]
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
    """Encode a corpus, with the labels that it shares with the tagger.

    new (tuple[str, ...]): Further labels that it may come to have.
    """
    if names:
        docs = [renamed(doc, names) for doc in docs]
    batch = encode(knn.reader, docs, cache=cache, show_progress=True)
    texts = [annotated_text(doc, knn.name) for doc in docs]
    labels = {label for text in texts for *_, label in text.entities}
    batch = batch.with_labels(sorted(labels.union(new)))
    votes = knn.retriever.votes(batch, np.ones(len(batch), dtype=bool))
    return Stream(knn, docs, batch, texts, votes)


def names_of(labels: str) -> dict[str, str]:
    """Parse `person=PER,location=LOC` into new names by old ones."""
    return dict(pair.split("=") for pair in labels.split(",") if pair)


def renamed(doc: Doc, names: dict[str, str]) -> Doc:
    """Rename labels; entities with further ones lose their annotation."""
    entities, missing = [], []
    for ent in doc.ents:
        if ent.label_ in names:
            entities.append(Span(doc, ent.start, ent.end, label=names[ent.label_]))
        else:
            missing.append(doc[ent.start : ent.end])
    copy = doc.copy()
    copy.set_ents(entities, missing=missing, default="outside")
    return copy
