"""Explanations: the evidence for tags and entities, as data and text."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..datastore.datastore import Datastore
from ..settings import Settings
from ..types import TokenBatch
from .decoding import decode
from .evidence import NeighborEvidence, correction_evidence, plain, store_evidence
from .predictor import Prediction

_BEST = 3  # tags of a distribution that are shown
_DISTRIBUTIONS = ("base", "store", "corrections", "final")


@dataclass(frozen=True)
class TokenExplanation:
    """Explains the tag of a token. Distributions have their three best tags.

    i (int): The token.
    text (str): Its text.
    tag (str): Its tag.
    base_tag (str): Its tag without neighbors.
    base (dict[str, float]): p_base, of the components in front; empty if undefined.
    store (dict[str, float]): p_kNN, of its neighbors in the store.
    corrections (dict[str, float]): The distribution of the corrections that apply;
        empty if none does.
    correction_weight (float): The weight of that distribution, 0 to 1.
    final (dict[str, float]): p_final, all three interpolated.
    nearest (float | None): Distance of the nearest entry that voted.
    unknown (bool | None): Whether that is farther than `unknown_distance`; None where
        `spacy knn tune` has not fitted it.
    neighbors (list[NeighborEvidence]): Corrections that apply, store entries that vote
        beside them, then neighbors in the store.
    """

    i: int
    text: str
    tag: str
    base_tag: str
    base: dict[str, float]
    store: dict[str, float]
    corrections: dict[str, float]
    correction_weight: float
    final: dict[str, float]
    nearest: float | None
    unknown: bool | None
    neighbors: list[NeighborEvidence]

    def to_text(self, bold: Callable[[str], str] = plain) -> str:
        """Format the token's distributions and neighbors, a line each.

        bold (Callable[[str], str]): Highlights words. Default: no highlighting.
        """
        lines = [f"{bold(self.text)}  {self.tag}"]
        for name in _DISTRIBUTIONS:
            best = {t: p for t, p in getattr(self, name).items() if p >= 0.005}
            if best:
                shown = ", ".join(f"{tag} {p:.2f}" for tag, p in best.items())
                weight = f"  (weight {self.correction_weight:.2f})"
                shown += weight if name == "corrections" else ""
                lines.append(f"  {name:<12} {shown}")
        lines += [f"    {neighbor.to_text(bold)}" for neighbor in self.neighbors]
        return "\n".join(lines)


@dataclass(frozen=True)
class EntityExplanation:
    """How an entity came about, or why one did not.

    start, end (int): Its first token, and the token after its last.
    text (str), label (str): Of the entity.
    score (float | None): As in `doc.spans`; of one that is not predicted, what it would
        be; None if a ruler has set it, or nothing is known of it.
    predicted (bool): Whether it is predicted; otherwise it would be without neighbors.
    changed (bool): Whether neighbors made the difference.
    unknown (bool | None): Whether one of its tokens is unknown; see there.
    by_ruler (bool): Whether a ruler has set it.
    by_correction (bool): Whether corrections decided about one of its tokens.
    """

    start: int
    end: int
    text: str
    label: str
    score: float | None
    predicted: bool
    changed: bool
    unknown: bool | None
    by_ruler: bool = False
    by_correction: bool = False

    def to_text(self, bold: Callable[[str], str] = plain) -> str:
        """Format the entity on one line.

        bold (Callable[[str], str]): Highlights words. Default: no highlighting.
        """
        how = "set by a ruler" if self.by_ruler else "no score"
        if self.score is not None:
            how = f"score {self.score:.2f}"
        cause = "a correction" if self.by_correction else "neighbors"
        if not self.predicted:
            how = f"not predicted, because of {cause}"
        elif self.changed:
            how += f", predicted because of {cause}"
        if self.unknown:
            how += ", unknown: unlike everything in the datastore"
        return f"{bold(self.text)}  {self.label}  {how}"


@dataclass(frozen=True)
class Explanation:
    """Why a Doc, a span or a token has its entities.

    entities (list[EntityExplanation]): Those that are predicted, and those that would
        be without neighbors, in order.
    tokens (list[TokenExplanation]): Of a Doc, the tokens of these entities; otherwise
        the given tokens.
    """

    entities: list[EntityExplanation]
    tokens: list[TokenExplanation]

    @property
    def text(self) -> str:
        """The explanation as plain text."""
        return self.to_text()

    def to_text(self, bold: Callable[[str], str] = plain) -> str:
        """Format the explanation.

        bold (Callable[[str], str]): Highlights words. Default: no highlighting.
        """
        lines = [entity.to_text(bold) for entity in self.entities] or ["No entities."]
        tokens = [token.to_text(bold) for token in self.tokens]
        return "\n\n".join(["\n".join(lines), *tokens])


@dataclass(frozen=True)
class TokenExplainer:
    """Explains the tokens of one Doc.

    batch (TokenBatch): Its tokens.
    prediction (Prediction): With all tokens looked up.
    datastore (Datastore): With the neighbors.
    settings (Settings): Of the component.
    unknown_distance (float | None): See `Calibration`.
    """

    batch: TokenBatch
    prediction: Prediction
    datastore: Datastore
    settings: Settings
    unknown_distance: float | None

    @cached_property
    def base_tags(self) -> np.ndarray:
        """The tags decoded from p_base, without neighbors, shape (n_tokens,)."""
        batch = self.batch
        return decode(
            batch.p_base, batch.tag_set, self.settings.decoding, batch.lengths
        )

    def explain(self, i: int, text: str, n: int) -> TokenExplanation:
        """Explain a token.

        i (int): The token.
        text (str): Its text.
        n (int): Neighbors, at most so many of each kind.
        """
        batch, prediction, tags = self.batch, self.prediction, self.batch.tag_set.tags
        nearest, far = float(prediction.nearest[i]), self.unknown_distance
        first, last = np.searchsorted(batch.keys.tokens, [i, i + 1])
        vectors = batch.keys.vectors[first:last]
        return TokenExplanation(
            i=i,
            text=text,
            tag=tags[prediction.tags[i]],
            base_tag=tags[self.base_tags[i]],
            base=self._best(batch.p_base[i]),
            store=self._best(prediction.store.votes.p_knn[i]),
            corrections=self._best(prediction.corrections.p[i]),
            correction_weight=float(prediction.corrections.weight[i]),
            final=self._best(prediction.p[i]),
            nearest=nearest if np.isfinite(nearest) else None,
            unknown=None if far is None else nearest > far,
            neighbors=[
                *correction_evidence(self.datastore, prediction.matches, i, n),
                *store_evidence(self.datastore, vectors, self.settings, n),
            ],
        )

    def _best(self, p: np.ndarray) -> dict[str, float]:
        order = np.argsort(-p, kind="stable")[:_BEST]
        return {self.batch.tag_set.tags[j]: float(p[j]) for j in order if p[j] > 0}
