"""Filling the store from a corpus, and making its index."""

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..datastore.datastore import CORRECTIONS, STORE, TIERS, Datastore
from ..datastore.fidelity import TARGET
from ..errors import Errors, KnnNerError, Warnings, warning
from ..locking import Lock
from ..ty import Fidelity, LabelledText, TokenKeys, Voting
from .draft import Draft
from .encoder import Encoder
from .labelled import labelled_text
from .settings import Settings

Encode = Callable[[list[LabelledText]], tuple[str, list[TokenKeys]]]


class Filling:
    """What a component can do whose datastore has a store."""

    name: str
    nlp: Language
    settings: Settings
    datastore: Datastore
    encoder: Encoder
    lock: Lock  # held by whoever asks the datastore, or changes it

    def build(
        self,
        docs: Iterable[Doc],
        *,
        batch_size: int = 64,
        show_progress: bool = True,
        draft: str | Path | None = None,
    ) -> list[int]:
        """Fill the store from labelled Docs; what it held before is replaced.

        Corrections stay: they are encoded again. If anything fails, the
        datastore stays as it was.

        docs (Iterable[Doc]): With `doc.ents`; read once, in batches. Tokens
            without annotation (`ent_iob == 0`) are not stored.
        batch_size (int): Docs encoded at once. Default: 64.
        show_progress (bool): Show a progress bar. Default: True.
        draft (str | Path | None): A folder for the keys of each batch. A build that
            was interrupted goes on from there, if it is run again with the same batches
            and encoder. Delete it when the datastore is saved.
        RETURNS (list[int]): The examples' ids, in order.
        RAISES (KnnNerError): If the pipeline's encoder leaves no vectors, or the
            datastore was changed meanwhile.
        """
        new, before = self._emptied(CORRECTIONS)
        keys_of = encode = self._encode_for(new)
        if draft is not None:
            keys_of = partial(self._draft(draft).keys, encode=encode)
        ids: list[int] = []
        empty: list[int] = []
        shown = tqdm(docs, desc="Building", unit="doc", disable=not show_progress)
        for batch in util.minibatch(shown, size=batch_size):
            texts = [labelled_text(doc, self.name) for doc in batch]
            scheme, keys = keys_of(texts)
            new.use_scheme(scheme)
            added = new.add(texts, keys, tier=STORE)
            empty += without_entry(added, texts, keys)
            ids += added
        self._encode_again(new, CORRECTIONS, keys_of, batch_size, show_progress=False)
        self._replace(new, before)
        self.warn_of(empty)
        return ids

    def rebuild(self, *, batch_size: int = 64, show_progress: bool = True) -> int:
        """Make the keys of all examples anew: after the encoder was trained further,
        or replaced by a better one, or other vectors are to be its keys.

        What was forgotten stays so; what `spacy knn compress` took away comes back,
        for its examples are there. If anything fails, the datastore stays as it was.

        batch_size (int): Examples encoded at once. Default: 64.
        show_progress (bool): Show a progress bar. Default: True.
        RETURNS (int): How many examples there are.
        RAISES (KnnNerError): As for `build`.
        """
        new, before = self._emptied(*TIERS)
        encode = self._encode_for(new)
        for tier in TIERS:
            self._encode_again(new, tier, encode, batch_size, show_progress)
        self._replace(new, before)
        return len(new.examples)

    def _emptied(self, *tiers: str) -> tuple[Datastore, tuple[Datastore, int]]:
        """A datastore to be filled; and what `_replace` wants to know."""
        encoder = self.encoder.fingerprint()
        with self.lock:
            datastore = self.datastore
            new = datastore.emptied(
                tiers,
                dtype=self.settings.keys.dtype,
                scheme=datastore.tag_set.scheme,
                encoder=encoder,
            )
            return new, (datastore, datastore.changes)

    def _encode_for(self, new: Datastore) -> Encode:
        return lambda texts: self.encoder.keys(texts, new.tag_set.scheme)

    def _encode_again(
        self,
        new: Datastore,
        tier: str,
        keys_of: Encode,
        batch_size: int,
        show_progress: bool,
    ) -> None:
        """Entries for the examples that a new datastore has of a tier."""
        ids = new.examples.ids(tier)
        shown = tqdm(ids, desc=tier, unit="example", disable=not show_progress)
        for batch in util.minibatch(shown, size=batch_size):
            texts = [new.example(i).labelled for i in batch]
            scheme, keys = keys_of(texts)
            new.use_scheme(scheme)
            new.add_entries(batch, texts, keys, tier=tier)

    def _replace(self, new: Datastore, before: tuple[Datastore, int]) -> None:
        """Use a new datastore, unless the one it was made from has changed."""
        self._make_index(new)
        with self.lock:
            datastore, changes = before
            if self.datastore is not datastore or datastore.changes != changes:
                raise KnnNerError(Errors.E052, name=self.name)
            new.saved_as = dict(datastore.saved_as)
            self.use(new)

    def _draft(self, folder: str | Path) -> Draft:
        config = self.nlp.config
        others = {n: c for n, c in config["components"].items() if n != self.name}
        return Draft(folder, [self.encoder.fingerprint(), config["nlp"], others])

    # --- the index ---------------------------------------------------------

    def make_index(self) -> dict[str, Any]:
        """Make the index of the store now, rather than at the first search.

        An approximate one is searched the longer, until it is faithful: for 95 % of
        entries whose neighbors (without their own example) vote for another tag than
        theirs, it comes to the same tag as exact search. `build` does all this, and
        `to_disk` keeps it; do it again after other settings have changed.

        RETURNS (dict[str, Any]): What was made, and its fidelity where it is
            approximate. Empty where there is nothing to search.
        """
        return self._make_index(self.datastore)

    def _make_index(self, datastore: Datastore) -> dict[str, Any]:
        voting = self._voting(datastore)
        if voting is None:
            return {}
        store = datastore.tiers[STORE]
        store.prepare(self.settings.index, voting, again=True)
        made = store.index_about
        share = (made.get("fidelity") or {}).get("share")
        if share is not None and share < TARGET:
            message = warning(
                Warnings.W004, made=made["made"], name=self.name, share=share
            )
            warnings.warn(message, stacklevel=2)
        return made

    def measure_fidelity(self) -> Fidelity | None:
        """How faithful the store's index is, measured anew, as by `make_index`.

        RETURNS (Fidelity | None): None where there is nothing to search.
        """
        voting = self._voting(self.datastore)
        if voting is None:
            return None
        return self.datastore.tiers[STORE].fidelity(self.settings.index, voting)

    def _voting(self, datastore: Datastore) -> Voting | None:
        """How the store's neighbors vote; None where nothing is searched."""
        settings = self.settings
        if settings.k is None or not datastore.size(STORE):
            return None
        n_tags = len(datastore.tag_set)
        return Voting(settings.k, settings.temperature, settings.metric, n_tags)

    # --- for those who build on this -----------------------------------------

    def use(self, datastore: Datastore) -> None:
        """Ask another datastore from now on."""
        self.datastore = datastore
        self.keep_strings()

    def keep_strings(self) -> None:
        """Make labels known before spaCy's memory zones see them, which forget new
        strings."""
        for label in self.datastore.tag_set.labels:
            self.nlp.vocab.strings.add(label)

    def warn_of(self, empty: list[int]) -> None:
        """Warn of examples that change nothing.

        empty (list[int]): Those without an entry.
        """
        if empty:
            ids = ", ".join(map(str, empty[:10])) + (", …" if len(empty) > 10 else "")
            message = warning(Warnings.W002, n=len(empty), ids=ids)
            warnings.warn(message, stacklevel=3)


def without_entry(
    ids: list[int], texts: list[LabelledText], keys: list[TokenKeys]
) -> list[int]:
    """The examples that have no entry."""
    pairs = zip(ids, texts, keys, strict=True)
    return [i for i, text, key in pairs if not set(key.tokens) - set(text.missing)]
