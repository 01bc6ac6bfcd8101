"""Finding the contexts of sentences, by an engine and a re-ranker."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Errors, KnnNerError
from ..types import RETRIEVED, Context, valid_unicode
from .base import Engine, Hit, Reranker
from .known_texts import KnownTexts
from .queries import make_queries


@dataclass(frozen=True)
class Finder:
    """Finds contexts.

    engine (Engine): Finds texts.
    reranker (Reranker | None): Orders them; None: as the engine does.
    known (KnownTexts): Texts that are not used.
    n_results (int): Texts of the engine for a query.
    n_contexts (int): Those that are kept for a sentence.
    max_query_words (int): Longer sentences are several queries.
    """

    engine: Engine
    reranker: Reranker | None
    known: KnownTexts
    n_results: int
    n_contexts: int
    max_query_words: int

    def search(self, sentences: Sequence[str]) -> list[list[Hit]]:
        """Search for texts.

        sentences (Sequence[str]): The sentences.
        RETURNS (list[list[Hit]]): Those of each, in the engine's order, without known
            ones.
        RAISES (KnnNerError): If the engine does not answer every query.
        RAISES (Exception): As the engine does.
        """
        most = self.max_query_words
        if getattr(self.engine, "whole_sentences", False):
            most = sys.maxsize
        queries = [make_queries(sentence, most) for sentence in sentences]
        flat = [query for of_sentence in queries for query in of_sentence]
        answers = self.engine.search(flat, self.n_results) if flat else []
        if len(answers) != len(flat):
            raise KnnNerError(Errors.E140, n=len(answers), expected=len(flat))
        found = iter(answers)
        result = []
        for sentence, of_sentence in zip(sentences, queries, strict=True):
            hits = [hit for _ in of_sentence for hit in next(found)]
            hits.sort(key=lambda hit: -hit.score)
            result.append(self._new(sentence, hits))
        return result

    def _new(self, sentence: str, hits: list[Hit]) -> list[Hit]:
        own = KnownTexts()
        own.add([sentence])
        kept: dict[str, Hit] = {}
        for hit in hits:
            text = valid_unicode(hit.text)
            if text not in kept and not own.has(text) and not self.known.has(text):
                kept[text] = hit._replace(text=text)
        return list(kept.values())

    def rank(
        self, sentences: Sequence[str], hits: list[list[Hit]]
    ) -> list[list[Context]]:
        """Rank texts, and keep the best.

        sentences (Sequence[str]), hits (list[list[Hit]]): From `search`.
        RETURNS (list[list[Context]]): Of each sentence, the best first.
        RAISES (KnnNerError): If the re-ranker cannot be loaded.
        """
        if self.reranker is not None:
            pairs = [
                (sentence, hit.text)
                for sentence, of_sentence in zip(sentences, hits, strict=True)
                for hit in of_sentence
            ]
            scores = iter(self.reranker.score(pairs))
            hits = [
                sorted(
                    (hit._replace(score=next(scores)) for hit in of_sentence),
                    key=lambda hit: -hit.score,
                )
                for of_sentence in hits
            ]
        return [
            [
                {"text": h.text, "kind": RETRIEVED, "start": None, "score": h.score}
                for h in of_sentence[: self.n_contexts]
            ]
            for of_sentence in hits
        ]
