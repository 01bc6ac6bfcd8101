"""A tier of the datastore: entries, their keys, and search over them."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from ..errors import Errors, KnnNerError
from ..locking import Lock
from ..ty import Fidelity, Neighbors, VectorIndex, Votes, Voting
from . import distances as metrics
from .blocks import Blocks
from .every_entry import EveryEntryVotes, count_all
from .faiss_index import FaissIndex
from .fidelity import Search, Trial, make_faithful, turn_up
from .index import Saved, fill, load_index, make_index
from .kernel import found_distribution
from .search import nearest

# An entry is a token of an example, and counts as `weight` equal ones. Its key is the
# row of the same number.
ENTRY = np.dtype(
    [
        ("example_id", "<i8"),
        ("token", "<i4"),
        ("tag", "<u2"),
        ("weight", "<u2"),
        ("forgotten", "?"),
    ]
)
# One that orders keys alike, by whether the index holds unit vectors.
_METRIC = {True: "cosine", False: "sqeuclidean"}


F = TypeVar("F", bound=Callable[..., Any])


def _locked(method: F) -> F:
    """One thread at a time; FAISS and BLAS use all cores by themselves."""

    @wraps(method)
    def holding(self: "Tier", *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return method(self, *args, **kwargs)

    return cast(F, holding)


class Tier:
    """Entries with keys.

    The neighbors of a query are the k entries with the smallest distance, in
    float64; where distances are equal, the entries that were added first. An
    index only proposes candidates; an approximate one may miss some.
    """

    def __init__(
        self,
        width: int,
        *,
        dtype: str = "float32",
        keys: Blocks | None = None,
        entries: Blocks | None = None,
    ) -> None:
        """width (int): Of the keys, of which only the last few take memory.
        dtype (str): Keys are kept as `"float32"` (default) or `"float16"`.
        keys, entries (Blocks | None): What was saved.
        """
        self.keys = Blocks(dtype, width, on_disk=True) if keys is None else keys
        self.entries = Blocks(ENTRY) if entries is None else entries
        self.width = width
        self._index: VectorIndex | None = None
        self._index_is: tuple[bool, str] | None = None
        self._longest, self._measured = 0.0, 0
        self.version = 0  # changes when rows move
        # Counted once: how many entries there are is asked for every batch.
        self._forgotten = sum(int(block["forgotten"].sum()) for block in self.entries)
        # Held by whoever searches or changes the tier: rows move when it shrinks.
        self.lock = Lock()

    def __len__(self) -> int:
        """Entries that are not forgotten."""
        return len(self.entries) - self._forgotten

    @_locked
    def add(
        self, keys: np.ndarray, example_ids: np.ndarray, tokens: np.ndarray, tags: Any
    ) -> None:
        """Add entries; they can be found at once.

        keys (ndarray): Shape (n, width), finite, no row of zeros.
        example_ids, tokens, tags (ndarray): Shape (n,).
        """
        rows = np.zeros(len(keys), dtype=ENTRY)
        rows["example_id"], rows["token"], rows["tag"] = example_ids, tokens, tags
        rows["weight"] = 1
        self.keys.append(keys.astype(self.keys.dtype, copy=False))
        self.entries.append(rows)

    @_locked
    def forget(
        self, example_ids: Iterable[int], *, tokens: Sequence[int] | None = None
    ) -> int:
        """Forget entries of these examples.

        example_ids (Iterable[int]): The examples.
        tokens (Sequence[int] | None): Only those of these tokens; None: all.
        RETURNS (int): How many entries there were.
        """
        ids = np.fromiter(example_ids, dtype=np.int64)
        count = 0
        for block in self.entries:
            gone = np.isin(block["example_id"], ids) & ~block["forgotten"]
            if tokens is not None:
                gone &= np.isin(block["token"], tokens)
            block["forgotten"][gone] = True
            block["tag"][gone] = 0  # theirs may be given up
            count += int(gone.sum())
        self._forgotten += count
        if 2 * len(self) < len(self.entries):
            self._compact()
        return count

    @_locked
    def retag(self, ids: np.ndarray) -> None:
        """Give every entry another tag id.

        ids (ndarray): New ids by old ones.
        """
        for block in self.entries:
            block["tag"] = ids[block["tag"]]

    @_locked
    def take_over(self, other: "Tier") -> None:
        """Add the entries of another tier that are not forgotten."""
        with other.lock:
            keep = ~other.entries.array()["forgotten"]
            for part in other.keys.kept(keep):
                self.keys.append(part.astype(self.keys.dtype, copy=False))
            self.entries.append(other.entries.array()[keep])

    def _compact(self) -> None:
        """Give up the rows of forgotten entries, which searches still look at."""
        entries = self.entries.array()
        self.shrink(~entries["forgotten"], entries["weight"])

    @_locked
    def shrink(
        self, keep: np.ndarray, weights: np.ndarray, *, dtype: Any = None
    ) -> None:
        """Give up entries, and what they were found by.

        keep (ndarray): Which rows stay, shape (rows,), bool; no forgotten ones.
        weights (ndarray): What each counts for from now on, shape (rows,).
        dtype (DTypeLike | None): Of the keys; None: as before.
        """
        dtype = self.keys.dtype if dtype is None else dtype
        keys = Blocks(dtype, self.width, on_disk=True)
        entries = Blocks(ENTRY)
        for part in self.keys.kept(keep):
            with np.errstate(over="ignore"):  # noticed in the next line
                part = part.astype(dtype, copy=False)
            if not (np.isfinite(part).all(1) & part.any(1)).all():
                raise KnnNerError(Errors.E031, dtype=dtype)
            keys.append(part)
        kept = self.entries.array()[keep]
        kept["weight"] = weights[keep]
        entries.append(kept)
        self.keys, self.entries, self._forgotten = keys, entries, 0
        self._longest, self._measured = 0.0, 0
        self.version += 1
        if isinstance(self._index, FaissIndex):
            self._index.reset()  # it takes long to train
        else:
            self._index = None

    # --- the index ---------------------------------------------------------

    @property
    def index_about(self) -> dict[str, Any]:
        """What its index is, for people; nothing while there is none."""
        return {} if self._index is None else self._index.about()

    @property
    def approximate(self) -> FaissIndex | None:
        """Its index, if that is an approximate one."""
        return self._index if isinstance(self._index, FaissIndex) else None

    @property
    def n_indexed(self) -> int:
        """How many of its keys are in its index by now."""
        return 0 if self._index is None else len(self._index)

    @_locked
    def saved_index(
        self,
    ) -> tuple[dict[str, Callable[[Path], None]], dict[str, Any]] | None:
        """How to save the index, over the entries that are not forgotten.

        RETURNS (tuple[dict, dict[str, Any]] | None): What writes each of its files,
            which are none where it is made anew as quickly as read; and what the
            manifest says of it. None where there is no index.
        """
        if self._index is None or self._index_is is None:
            return None
        (unit, asked), index = self._index_is, self._index
        about = {"asked": asked, "unit": unit, **index.about()}
        if not isinstance(index, Saved):
            return {}, about
        metric, keep = _METRIC[unit], ~self.entries.array()["forgotten"]
        fill(index, self.keys, metric)
        kept = (metrics.to_search_space(part, metric) for part in self.keys.kept(keep))
        return index.writers(keep, kept), {**about, **index.state()}

    def nbytes(self) -> dict[str, int]:
        """What its parts take, in memory or mapped into it: `index`, `entries`, `keys`.
        Keys are an index of their own where all are compared as they are."""
        index, keys = self._index, self.keys
        its_own = index is not None and getattr(index, "vectors", None) is not keys
        return {
            "index": index.nbytes if index is not None and its_own else 0,
            "entries": self.entries.nbytes,
            "keys": keys.nbytes,
        }

    def load_index(self, prefix: Path, about: dict[str, Any]) -> None:
        """Use the index that was saved with these keys.

        prefix (Path): What the paths of its files begin with.
        about (dict[str, Any]): What the manifest says of it.
        """
        unit = about["unit"]
        self._index = load_index(prefix, about, self.keys, _METRIC[unit])
        self._index_is = (unit, about["asked"])

    # --- search ------------------------------------------------------------

    @_locked
    def search(
        self, queries: np.ndarray, k: int, *, metric: str, index: str = "flat"
    ) -> Neighbors:
        """The k nearest entries of each query; see `nearest`.

        queries (ndarray): Shape (n, width), float32, finite, no row of zeros.
        k (int): How many, at least 1; fewer come back from a smaller tier.
        metric (str): `"cosine"`, `"euclidean"` or `"sqeuclidean"`.
        index (str): See `make_index`.
        RETURNS (Neighbors): Shape (n, min(k, rows of the tier)).
        """
        if not len(self.entries) or not len(queries):
            shape = (len(queries), min(k, len(self.entries)))
            none = np.full(shape, -1)
            zeros = np.zeros_like(none)
            return Neighbors(np.full(shape, np.inf), none, zeros, zeros)
        made, longest = self._searchable(metric, index), self._longest_key(metric)
        return nearest(self.keys, self.entries, made, queries, k, metric, longest)

    def _searchable(self, metric: str, index: str) -> VectorIndex:
        """The index with every key in it."""
        wanted = (metric == "cosine", index)  # the other metrics order keys alike
        if self._index is None or self._index_is != wanted:
            self._index = make_index(index, self.keys, metric)
            self._index_is = wanted
        fill(self._index, self.keys, metric)
        return self._index

    @_locked
    def prepare(
        self, index: str, voting: Voting, *, again: bool = False
    ) -> VectorIndex | None:
        """Make the index that is to be searched, unless it is there; an approximate
        one is turned up until it is faithful enough.

        index (str): See `make_index`.
        voting (Voting): How the neighbors will vote.
        again (bool): Do so even if it was done before, with other settings perhaps.
        RETURNS (VectorIndex | None): The index; None where there are no entries.
        """
        if not len(self):
            return None
        made = self._searchable(voting.metric, index)
        if isinstance(made, FaissIndex) and (again or made.fidelity is None):
            turn_up(made)
            search = self._by(index, voting.metric)
            trial = Trial(self.keys, self.entries, search, voting)
            make_faithful(made, trial, search)
        return made

    @_locked
    def fidelity(self, index: str, voting: Voting) -> Fidelity:
        """How faithful an index is, measured anew; exact ones are, to the letter.

        Arguments as for `prepare`. There must be entries.
        """
        made, search = self.prepare(index, voting), self._by(index, voting.metric)
        if not isinstance(made, FaissIndex):
            return Trial(self.keys, self.entries, search, voting)(search)
        before = made.stretch, made.effort
        turn_up(made)
        trial = Trial(self.keys, self.entries, search, voting)
        made.stretch, made.effort = before
        return trial(search)

    def _by(self, index: str, metric: str) -> Search:
        return lambda queries, k: self.search(queries, k, metric=metric, index=index)

    def _longest_key(self, metric: str) -> float:
        if metric == "cosine":
            return 1.0
        for chunk in self.keys.chunks(1 << 14, start=self._measured):
            squared = np.einsum("nw,nw->n", chunk, chunk, dtype=np.float64)
            self._longest = max(self._longest, float(np.sqrt(squared.max())))
        self._measured = len(self.keys)
        return self._longest

    # --- votes -------------------------------------------------------------

    def vote(
        self,
        queries: np.ndarray,
        *,
        k: int | None,
        temperature: float,
        metric: str,
        n_tags: int,
        index: str = "flat",
    ) -> Votes:
        """Equation 3 for each query.

        queries (ndarray): As for `search`.
        k (int | None): How many neighbors vote; None: every entry.
        temperature (float): In units of the metric.
        metric, index (str): As for `search`.
        n_tags (int): Number of tags.
        RETURNS (Votes): p_kNN and the distance of the nearest entry.
        """
        if k is None:
            votes = self.count_all(queries, [temperature], metric, n_tags)
            return Votes(votes.distributions()[0], votes.nearest)
        self.prepare(index, Voting(k, temperature, metric, n_tags))
        first, back = distinct(queries)
        found = self.search(queries[first], k, metric=metric, index=index)
        p = found_distribution(found.first(k), temperature, n_tags)
        return Votes(p[back], found.distances.min(axis=1, initial=np.inf)[back])

    @_locked
    def count_all(
        self,
        queries: np.ndarray,
        temperatures: Sequence[float],
        metric: str,
        n_tags: int,
        *,
        groups: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> EveryEntryVotes:
        """Let every entry vote; see `count_all`."""
        return count_all(
            self.keys,
            self.entries,
            queries,
            temperatures,
            metric,
            n_tags,
            groups=groups,
        )

    def __getstate__(self) -> dict[str, Any]:
        """An index that is quickly made is made again where it is needed."""
        index = self._index if isinstance(self._index, Saved) else None
        return {**self.__dict__, "_index": index}


def distinct(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each query stands first, and which of these each of them is."""
    seen: dict[bytes, int] = {}
    back = np.array([seen.setdefault(q.tobytes(), len(seen)) for q in queries], int)
    return np.unique(back, return_index=True)[1], back
