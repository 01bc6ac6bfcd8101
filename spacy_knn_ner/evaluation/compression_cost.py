"""The cost of a smaller store, measured on development data after each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ..components.knn_ner import KnnNer
from ..datastore.index.fidelity import fidelity
from ..errors import Errors, KnnNerError
from ..inference.decoding import decode
from .corpus import Corpus
from .leave_one_out import encode_corpus
from .metrics import SystemResult

# Codes of four bits each.
_CODES = 64
# From here on not all codes are compared.
_MANY = 1_000_000
# So many times k candidates are ranked by their keys, at most.
_MOST_REFINE = 256


@dataclass(frozen=True)
class StepCost:
    """A store after a step.

    step (str): The step.
    entries (int): How many there are now.
    resident (float): Bytes per original entry that searches need in memory: tags and
        ids, and the index, or where every entry votes (k = null) the keys.
    on_disk (float): Bytes per original entry of the keys, which are mapped: exact
        distances are computed from some of them.
    f1 (float): On development data, 0 to 1.
    fidelity (float | None): Of the tags that the original store changes against the
        tagger alone, the share that is still the same. None where it changes none.
    changed (int): How many those are.
    """

    step: str
    entries: int
    resident: float
    on_disk: float
    f1: float
    fidelity: float | None
    changed: int


class CompressionReport:
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
        batch = encode_corpus(knn, docs, cache=cache, show_progress=show_progress)
        self.knn, self.batch = knn, batch
        self.corpus = Corpus(docs, batch.tag_set)
        self.tagger = decode(batch.p_base, batch.tag_set, knn.decoding, batch.lengths)
        self.original = len(knn.datastore.store)
        knn.make_index()
        self.steps: list[StepCost] = []
        self.measure("original")

    def measure(self, step: str) -> StepCost:
        """Measure the store as it is now.

        step (str): The last step.
        RETURNS (StepCost): Also the last of `steps`.
        """
        system, store = self._predicted(), self.knn.datastore.store
        if not self.steps:
            self.before = system.tags
        sizes = store.nbytes()
        searched = sizes["keys"] if self.knn.k is None else sizes["index"]
        searched = searched or sizes["keys"]
        found = fidelity(self.tagger, self.before, system.tags)
        measured = StepCost(
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

    def search_longer(self, max_loss: float, min_fidelity: float) -> None:
        """Make an approximate index search longer, while the last step costs too much.

        max_loss (float), min_fidelity (float): See `check`.
        """
        index = self.knn.datastore.store.index
        if index is None or index.exact:
            return
        while index.refine_factor < _MOST_REFINE:
            if not self._beyond(max_loss, min_fidelity):
                break
            step = self.steps.pop().step
            index.refine_factor *= 2
            if index.search_param is not None:
                index.search_param *= 2
            self.measure(step)

    def check(self, max_loss: float, min_fidelity: float) -> None:
        """Refuse a step that costs too much.

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

    def _predicted(self) -> SystemResult:
        """What the pipeline predicts."""
        found = self.knn.predictor.predict(self.batch)
        return SystemResult(self.corpus, self.batch, found.tags, found.p)


def small_codes(n: int, width: int) -> str:
    """Name an index of FAISS's factory that takes little memory: codes of 32 bytes, of
    the first principal components; of many keys only those in near clusters.

    n (int): How many keys there are.
    width (int): Of the keys.
    """
    components = f"PCA{_CODES}," if width > _CODES else ""
    clusters = f"IVF{round(np.sqrt(n))}," if n > _MANY else ""
    return f"{components}{clusters}PQ{min(width, _CODES)}x4fs"
