"""Why? One Doc, with everything that was said of its tokens."""

from typing import Any

import numpy as np
from spacy.tokens import Doc

from ..datastore import kernel
from ..tags import SpanTuple
from ..ty import EntityExplanation, Evidence, TokenExplanation
from .entities import entity_spans, trimmed
from .mixing import nearest_of, p_final, silent, span_scores
from .rulers import ruled, rulers_before, with_ruled

_BEST = 3  # tags of a distribution


class Explainer:
    """Looks a Doc up once, without the gate, and remembers what was said."""

    def __init__(self, knn: Any, doc: Doc, n: int) -> None:
        """knn (Lookup): Whose pipeline the Doc is from.
        doc (Doc): The Doc.
        n (int): Neighbors per token and tier, at most.
        """
        self.knn, self.doc, self.n = knn, doc, n
        settings = knn.settings
        self.queries = knn.queries([doc], again=True)
        self.tag_set = self.queries.tag_set
        self.store = knn.votes(self.queries)
        nobody = silent(self.queries)
        without = p_final(self.queries.p_ner, self.store, nobody, settings)
        ids = self._decoded(without)
        self.heard = knn.heard(self.queries, ids)
        self.corrections = knn.said(self.queries, self.heard)
        self.p = p_final(self.queries.p_ner, self.store, self.corrections, settings)
        self.nearest = nearest_of(self.queries, self.store, self.corrections)
        self.ids = self._decoded(self.p)
        self.before = self._decoded(self.queries.p_ner)

    def _decoded(self, p: np.ndarray) -> np.ndarray:
        return self.tag_set.decode(p, self.knn.decoding, self.queries.lengths)

    def entities(self) -> list[EntityExplanation]:
        """See `Lookup.explain`."""
        rulers, _ = rulers_before(self.knn.nlp, self.knn)
        fixed = ruled(self.doc, rulers)
        spans = entity_spans(self.doc, self.tag_set, self.ids)
        kept = with_ruled(self.doc, spans, fixed)
        self.found = {(ent.start, ent.end, ent.label_) for ent in kept}
        self.ruled = {(ent.start, ent.end, ent.label_) for ent in fixed}
        spans_before = trimmed(self.doc, self.tag_set.spans(self.before))
        self.found_before = {*spans_before} | self.ruled
        every = sorted(self.found | self.found_before)
        return [self._entity(span) for span in every]

    def _entity(self, span: SpanTuple) -> EntityExplanation:
        start, end, label = span
        found, is_ruled = span in self.found, span in self.ruled
        ids = self.ids if found else self.before
        scale = self.knn.score_temperature
        score = float(span_scores([(start, end)], ids, self.p, scale)[0])
        tokens = [self.token(i) for i in range(start, end) if self._is_word(i)]
        unknown = [token.unknown for token in tokens]
        return EntityExplanation(
            start=start,
            end=end,
            text=self.doc[start:end].text,
            label=label,
            score=None if is_ruled else score,
            found=found,
            changed=found != (span in self.found_before),
            unknown=None if is_ruled or None in unknown else any(unknown),
            tokens=tokens,
        )

    def _is_word(self, i: int) -> bool:
        return not self.doc[i].is_space

    def token(self, i: int) -> TokenExplanation:
        """See `Lookup.explain_tokens`."""
        tags, settings = self.tag_set.tags, self.knn.settings
        far = settings.unknown_distance
        nearest = float(self.nearest[i])
        trust = kernel.trust(
            self.corrections.nearest[i : i + 1], settings.correction_weight
        )
        neighbors: list[Evidence] = self.knn.evidence(
            self.queries, self.heard, i, n=self.n
        )
        return TokenExplanation(
            i=i,
            text=self.doc[i].text,
            tag=tags[self.ids[i]],
            tag_before=tags[self.before[i]],
            base=self._best(self.queries.p_ner[i]),
            store=self._best(self.store.p_knn[i]),
            corrections=self._best(self.corrections.p_knn[i]),
            trust=float(trust[0]),
            final=self._best(self.p[i]),
            nearest=nearest if np.isfinite(nearest) else None,
            unknown=None if far is None else nearest > far,
            neighbors=neighbors,
        )

    def _best(self, p: np.ndarray) -> dict[str, float]:
        order = np.argsort(-p, kind="stable")[:_BEST]
        return {self.tag_set.tags[j]: float(p[j]) for j in order if p[j] > 0}
