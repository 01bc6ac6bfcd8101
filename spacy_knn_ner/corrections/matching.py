"""Matching: which corrections apply to which spans of a text, and their votes.

A correction applies where its words occur: those of one of its entities, or those of a
predicted entity that it annotates otherwise. It does not apply where the phrase seems
to go on (borders.py), or beyond the radius. Of several annotations of the same words,
in corrections and in the store, the nearer ones count more, so that one odd annotation
does not outvote what was seen a hundred times. What decides between spans that overlap
is in conflicts.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.distribution import normalized
from ..settings import Settings
from ..types import CorrectedSpan, Corrections, CorrectionVotes, Matches, TokenBatch
from .borders import Orthography
from .conflicts import without_overlaps
from .occurrences import candidates
from .other_words import other_words
from .own_sentences import own_sentences
from .phrase_index import PhraseIndex
from .same_words import NONE, Evidence, SameWords
from .texts import visible_texts


@dataclass(frozen=True)
class CorrectionMatcher:
    """Finds the corrections that apply, and counts their votes.

    datastore (Datastore): With the corrections.
    phrases (dict[str, PhraseIndex]): Of both parts of the datastore.
    settings (Settings): Of the component.
    orthography (Orthography): Of the texts.
    radius (float | None): Where `corrections.radius` is null: the radius that was found
        in the store; None: no limit.
    left_out (tuple[ndarray, ndarray] | None): A number per key of the batch and one per
        row of the store; where they are equal, the entry does not vote.
    """

    datastore: Datastore
    phrases: dict[str, PhraseIndex]
    settings: Settings
    orthography: Orthography = field(default_factory=Orthography)
    radius: float | None = None
    left_out: tuple[np.ndarray, np.ndarray] | None = None

    def near(self, batch: TokenBatch) -> Corrections:
        """Find the corrections that apply to other words; see other_words/.

        batch (TokenBatch): The tokens.
        RETURNS (Corrections): Votes per token, and no spans.
        """
        return other_words(self.datastore, batch, self.settings)

    def match(self, batch: TokenBatch, tags: np.ndarray) -> Corrections:
        """Find the spans that corrections decide about.

        batch (TokenBatch): The tokens.
        tags (ndarray): Their tags without corrections, shape (n_tokens,).
        RETURNS (Corrections): The spans, with their votes.
        """
        if not len(self.datastore.corrections):
            return Corrections.none(batch)
        phrases = self._updated(CORRECTIONS)
        self._updated(STORE)
        texts = [
            (text, phrases.ids([word.lower() for word in text.words]))
            for text in visible_texts(batch)
        ]
        own = own_sentences(texts, batch, self.datastore, phrases, self.settings)
        matches = dict(own)
        spans = candidates(texts, batch, tags, phrases)
        for evidence in self._same_words.find(spans, batch):
            matches.update(self._decisions(evidence))
        if not matches:
            return Corrections.none(batch)
        chosen = without_overlaps(matches)
        voting = Matches.concatenate([matches[span] for span in chosen])
        return Corrections(chosen, voting, self._votes(batch, chosen, voting))

    @property
    def only_same_words_decide(self) -> bool:
        """Whether only the words of a text decide if anything changes: there is no
        store, and corrections do not apply to other words."""
        if len(self.datastore.store):
            return False
        other_words = self.settings.corrections.other_words_radius > 0
        return not (other_words and len(self.datastore.corrections))

    def may_apply(self, words: list[str], entities: list[tuple[int, int]]) -> bool:
        """Check whether a correction may apply to a text; if not, none does.

        words (list[str]): Of the text, without whitespace.
        entities (list[tuple[int, int]]): Predicted without corrections.
        """
        if not len(self.datastore.corrections):
            return False
        phrases = self._updated(CORRECTIONS)
        ids = phrases.ids([word.lower() for word in words])
        removed = phrases.table.removed
        return (
            any(phrases.taught.phrases_in(ids, removed))
            or any(phrases.taught.sentences_in(ids, removed))
            or any(phrases.may_have(ids[s:e]) for s, e in entities)
        )

    def count_in_store(self, words: list[str], label: str) -> tuple[int, int]:
        """Count the store's examples with the same words.

        words (list[str]): In lower case, without whitespace.
        label (str): Of an entity; "" for none.
        RETURNS (tuple[int, int]): How many have them with this label, and how many
            otherwise.
        """
        found = self._updated(STORE).occurrences(words)
        if not len(found):
            return 0, 0
        # A label that nothing has is like no reading.
        numbers = {name: i for i, name in enumerate(self.datastore.tag_set.labels)}
        wanted = numbers.get(label, len(numbers)) if label else NONE
        alike = self._same_words.readings(found, STORE) == wanted
        ids = found["example_id"][:, 0]
        return len(set(ids[alike])), len(set(ids[~alike]))

    def _updated(self, part: str) -> PhraseIndex:
        phrases = self.phrases[part]
        phrases.update(self.datastore.examples)
        return phrases

    @property
    def _same_words(self) -> SameWords:
        return SameWords(
            self.datastore,
            self.phrases,
            self.settings.metric,
            self.orthography,
            self.left_out,
        )

    def _decisions(self, evidence: Evidence) -> Iterator[tuple[CorrectedSpan, Matches]]:
        """The reading of each candidate that has most votes, if a correction is among
        them."""
        settings, radius, of = self.settings.corrections, self._radius, evidence.of
        far, readings, starts = evidence.far, evidence.readings, evidence.starts
        voting = np.full(len(far), True) if radius is None else far < radius
        # Distances are compared with each other, so that they need no unit. Far below
        # the largest one they differ by rounding alone.
        most = np.maximum.reduceat(np.where(voting, far, 0.0), starts)
        far_enough = np.maximum(far, np.maximum(1e-6, 0.02 * most)[of])
        least = np.minimum.reduceat(np.where(voting, far_enough, np.inf), starts)
        sizes = (least[of] / far_enough) ** (1.0 / settings.temperature)
        sizes = sizes * np.where(evidence.in_store, 1.0, settings.votes)
        sizes = np.where(voting, sizes * self._weights(evidence), 0.0)
        sums = np.zeros((len(starts), len(self.datastore.tag_set.labels) + 1))
        np.add.at(sums, (of, readings - NONE), sizes)
        chosen = sums.argmax(axis=1) + NONE
        agreeing = voting & ~evidence.in_store & (readings == chosen[of])
        nearest = np.minimum.reduceat(np.where(agreeing, far, np.inf), starts)
        ids = evidence.postings["example_id"][:, 0]
        latest = np.maximum.reduceat(np.where(agreeing, ids, -1), starts)
        matches, bounds = _pairs(evidence, sizes)
        labels = [*self.datastore.tag_set.labels, ""]  # the last one is `NONE`
        for i in np.flatnonzero(latest >= 0).tolist():
            tokens = evidence.candidates[i].tokens
            fading = 1.0 if radius is None else 1.0 - float(nearest[i]) / (2.0 * radius)
            span = CorrectedSpan(
                start=int(tokens[0]),
                end=int(tokens[-1]) + 1,
                label=labels[chosen[i]],
                weight=settings.weight * fading,
                nearest=float(nearest[i]),
                example_id=int(latest[i]),
            )
            yield span, matches.where(slice(bounds[i], bounds[i + 1]))

    @property
    def _radius(self) -> float | None:
        given = self.settings.corrections.radius
        return self.radius if given is None else given

    def _weights(self, evidence: Evidence) -> np.ndarray:
        """How many equal entries each occurrence stands for, shape (n,)."""
        rows, stored = evidence.postings["row"][:, 0], evidence.in_store
        weights = np.ones(len(rows))
        weights[stored] = self.datastore.store.entries.take(rows[stored])["weight"]
        others = self.datastore.corrections.entries.take(rows[~stored])
        weights[~stored] = others["weight"]
        return weights

    def _votes(
        self, batch: TokenBatch, spans: list[CorrectedSpan], matches: Matches
    ) -> CorrectionVotes:
        """Equation 3 with the sizes of the votes, per token."""
        n_tokens, n_tags = batch.p_base.shape
        p, nearest = np.zeros((n_tokens, n_tags)), np.full(n_tokens, np.inf)
        columns = self.datastore.tag_set.columns_in(batch.tag_set)
        tags = columns[self.column("tags", matches)]
        np.add.at(p, (matches.tokens, tags), matches.sizes)
        weight = np.zeros(n_tokens)
        for span in spans:
            weight[span.start : span.end] = span.weight
            nearest[span.start : span.end] = span.nearest
        return CorrectionVotes(normalized(p), weight, nearest)

    def column(self, name: str, matches: Matches) -> np.ndarray:
        """Gather a column of the matches' entries.

        name (str): `"entries"` or `"tags"`.
        matches (Matches): From `match`.
        RETURNS (ndarray): Shape (n,).
        """
        store = getattr(self.datastore.store, name)
        column = np.zeros(len(matches), dtype=store.dtype)
        column[matches.in_store] = store.take(matches.rows[matches.in_store])
        others = ~matches.in_store
        corrections = getattr(self.datastore.corrections, name)
        column[others] = corrections.take(matches.rows[others])
        return column


def _pairs(evidence: Evidence, sizes: np.ndarray) -> tuple[Matches, np.ndarray]:
    """Pair the tokens of candidates with their occurrences that vote; and where those
    of each candidate begin, and end."""
    shape = evidence.postings.shape
    mask = np.broadcast_to((sizes > 0)[:, None], shape)
    matches = Matches(
        evidence.tokens[mask],
        evidence.postings["row"][mask],
        np.nan_to_num(evidence.distances)[mask],
        np.broadcast_to(sizes[:, None], shape)[mask],
        np.ones(int(mask.sum()), dtype=bool),
        np.broadcast_to(evidence.in_store[:, None], shape)[mask],
    )
    n_voting = np.bincount(evidence.of[sizes > 0], minlength=len(evidence.candidates))
    return matches, np.cumsum([0, *(n_voting * shape[1])])
