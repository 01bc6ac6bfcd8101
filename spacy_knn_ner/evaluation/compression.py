"""What does a smaller store cost? Measured on development data, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ..datastore.datastore import STORE
from ..datastore.fidelity import fidelity
from ..errors import Errors, KnnNerError
from ..pipeline.gate import gated
from ..pipeline.knn_ner import KnnNer
from .encoded import encode
from .spans import Corpus
from .systems import System

# Codes of four bits each.
_CODES = 64
# From here on not all codes are compared.
_MANY = 1_000_000
# So many times k candidates are ranked by their keys, at most.
_MOST_STRETCH = 256


@dataclass(frozen=True)
class Measured:
    """A store after a step.

    step (str): What was done.
    entries (int): How many there are now.
    resident (float): Bytes per original entry that searches need in memory: tags and
        ids, and the index, or where every entry votes (k = null) the keys.
    on_disk (float): Bytes per original entry of the keys, which are mapped: exact
        distances are computed from some of them.
    f1 (float): On development data, 0 to 1.
    fidelity (float | None): Of the tags that the original store changes against the
        tagger alone, the share that comes out the same. None where it changes none.
    changed (int): How many those are.
    """

    step: str
    entries: int
    resident: float
    on_disk: float
    f1: float
    fidelity: float | None
    changed: int


class Compressed:
    """Compares a component with itself as it was at first."""

    def __init__(
        self,
        knn: KnnNer,
        docs: Sequence[Doc],
        *,
        cache: str | Path | None = None,
        show_progress: bool = False,
    ) -> None:
        """knn (KnnNer): With a store.
        docs (Sequence[Doc]): Development data.
        cache (str | Path | None), show_progress (bool): As for `encode`.
        RAISES (KnnNerError): If the store is empty, or there are no Docs.
        """
        if not knn.datastore.size(STORE):
            raise KnnNerError(Errors.E051, name=knn.name)
        self.knn = knn
        self.queries = encode(knn, docs, cache=cache, show_progress=show_progress)
        self.corpus = Corpus(docs, self.queries.tag_set)
        queries = self.queries
        self.tagger = queries.tag_set.decode(
            queries.p_ner, knn.decoding, queries.lengths
        )
        self.original = len(knn.datastore.tiers[STORE])
        knn.make_index()
        self.steps: list[Measured] = []
        self.measure("original")

    def measure(self, step: str) -> Measured:
        """How is it now?

        step (str): What was done since.
        RETURNS (Measured): Also the last of `steps`.
        """
        system, store = self._predicted(), self.knn.datastore.tiers[STORE]
        if not self.steps:
            self.before = system.ids
        sizes = store.nbytes()
        searched = sizes["keys"] if self.knn.k is None else sizes["index"]
        searched = searched or sizes["keys"]
        found = fidelity(self.tagger, self.before, system.ids)
        measured = Measured(
            step=step,
            entries=len(store),
            resident=(searched + sizes["entries"]) / self.original,
            on_disk=sizes["keys"] / self.original,
            f1=system.count().scores()["f1"] or 0.0,
            fidelity=found.share,
            changed=found.changed,
        )
        self.steps.append(measured)
        return measured

    def turn_up(self, max_loss: float, min_fidelity: float) -> None:
        """Search longer, as long as the last step costs too much.

        max_loss (float), min_fidelity (float): See `check`.
        """
        index = self.knn.datastore.tiers[STORE].approximate
        while index is not None and index.stretch < _MOST_STRETCH:
            if not self._beyond(max_loss, min_fidelity):
                break
            step = self.steps.pop().step
            index.stretch *= 2
            if index.effort is not None:
                index.effort *= 2
            self.measure(step)

    def check(self, max_loss: float, min_fidelity: float) -> None:
        """Refuse what has cost too much.

        max_loss (float): Of F1, in points of 100.
        min_fidelity (float): From 0 to 1.
        RAISES (KnnNerError): If the last step is beyond a bound.
        """
        beyond = self._beyond(max_loss, min_fidelity)
        if beyond:
            raise KnnNerError(Errors.E073, step=self.steps[-1].step, **beyond)

    def _beyond(self, max_loss: float, min_fidelity: float) -> dict[str, Any]:
        """Which bound the last step is beyond, for a message."""
        first, last = self.steps[0], self.steps[-1]
        loss = 100 * (first.f1 - last.f1)
        if loss > max_loss:
            about = "the loss of F1", loss, max_loss, "--max-loss"
        elif last.fidelity is not None and last.fidelity < min_fidelity:
            about = "fidelity", last.fidelity, min_fidelity, "--min-fidelity"
        else:
            return {}
        return dict(zip(("what", "found", "bound", "option"), about, strict=True))

    def _predicted(self) -> System:
        """What the pipeline would find."""
        knn, queries = self.knn, self.queries
        hear, ask = partial(knn.corrections, queries), partial(knn.votes, queries)
        p = gated(queries, hear, knn.settings, ask).p
        return System(self.corpus, queries, p, knn.decoding)


def small_codes(n: int, width: int) -> str:
    """An index for FAISS's factory that takes little memory: codes of 32 bytes, of the
    first principal components; of many keys only those in near clusters.

    n (int): How many keys there are.
    width (int): Of the keys.
    """
    components = f"PCA{_CODES}," if width > _CODES else ""
    clusters = f"IVF{round(np.sqrt(n))}," if n > _MANY else ""
    return f"{components}{clusters}PQ{min(width, _CODES)}x4fs"
