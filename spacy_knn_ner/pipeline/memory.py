"""The memory of a component: its datastore, and what its user can do with it."""

import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.fidelity import TARGET
from ..errors import Errors, KnnNerError, Warnings, warning
from ..ty import Evidence, Fidelity, LabelledText, TokenKeys, Voting
from .draft import Draft
from .encoder import Encoder
from .evidence import find_evidence
from .keys import joined, read_keys
from .labelled import labelled_text
from .settings import Settings

M = TypeVar("M", bound="Memory")


class Memory:
    """What a component can do that owns a datastore: fill it, edit it, ask it,
    save it."""

    name: str
    nlp: Language
    settings: Settings
    datastore: Datastore
    encoder: Encoder

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
        RAISES (KnnNerError): If the pipeline's encoder leaves no vectors, or
            corrections were added or forgotten meanwhile.
        """
        new = self.datastore.emptied(
            CORRECTIONS,
            dtype=self.settings.keys.dtype,
            scheme=self.datastore.tag_set.scheme,
            encoder=self.encoder.fingerprint(),
        )

        def encode(texts: list[LabelledText]) -> tuple[str, list[TokenKeys]]:
            return self.encoder.keys(texts, new.tag_set.scheme)

        keys_of = encode
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
            empty += _without_entry(added, texts, keys)
            ids += added
        corrections = new.examples.ids(CORRECTIONS)
        for again in util.minibatch(corrections, size=batch_size):
            texts = [new.example(i).labelled for i in again]
            scheme, keys = keys_of(texts)
            new.use_scheme(scheme)
            new.add_entries(again, texts, keys, tier=CORRECTIONS)
        if self.datastore.examples.ids(CORRECTIONS) != corrections:
            raise KnnNerError(Errors.E052, name=self.name)
        self._warn_of(empty)
        self._make_index(new)
        self._use(new)
        return ids

    def _draft(self, folder: str | Path) -> Draft:
        config = self.nlp.config
        others = {n: c for n, c in config["components"].items() if n != self.name}
        return Draft(folder, [self.encoder.fingerprint(), config["nlp"], others])

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

    def add(self, docs: Iterable[Doc]) -> list[int]:
        """Add corrections: labelled Docs that are heeded at once.

        docs (Iterable[Doc]): With `doc.ents`. Annotate what you know: tokens
            without annotation (`ent_iob == 0`) are not stored.
        RETURNS (list[int]): The examples' ids, in order; for `forget`.
        RAISES (KnnNerError): If the datastore was built with another encoder.
        """
        texts = [labelled_text(doc, self.name) for doc in docs]
        scheme, keys = self.encoder.keys(texts, self.datastore.tag_set.scheme)
        if len(self.datastore):
            self.encoder.check(self.datastore)
        else:
            self.datastore.begin(
                dtype=self.settings.keys.dtype, encoder=self.encoder.fingerprint()
            )
        self.datastore.use_scheme(scheme)
        ids = self.datastore.add(texts, keys, tier=CORRECTIONS)
        self._warn_of(_without_entry(ids, texts, keys))
        self._keep_strings()
        return ids

    def forget(self, example_ids: Iterable[int]) -> int:
        """Remove examples from either tier.

        example_ids (Iterable[int]): From `build` or `add`.
        RETURNS (int): How many entries (tokens) were removed.
        RAISES (KnnNerError): For an unknown id; then nothing is removed.
        """
        return self.datastore.forget(example_ids)

    def neighbors(self, doc: Doc, i: int, *, n: int = 10) -> list[Evidence]:
        """The neighbors of a token: why it was labelled so.

        doc (Doc): From this pipeline.
        i (int): The token's index.
        n (int): How many per tier, at most. Default: 10.
        RETURNS (list[Evidence]): Nearest first; corrections before the store.
            Empty for whitespace and for an empty datastore.
        """
        keys = self.read_keys([doc])
        mine = keys.vectors[keys.tokens == doc[i].i]
        return find_evidence(self.datastore, mine, self.settings, n)

    def read_keys(self, docs: list[Doc]) -> TokenKeys:
        """The keys of some Docs, fit to be compared with the datastore's.

        docs (list[Doc]): From this pipeline.
        RETURNS (TokenKeys): Tokens are counted through all Docs. No keys where the
            datastore is empty.
        RAISES (KnnNerError): If the Docs lack vectors, or the datastore was built
            with another encoder.
        """
        asked = docs if len(self.datastore) else []
        keys = joined([read_keys(doc, self.settings.keys, self.name) for doc in asked])
        if len(keys):
            self.encoder.check(self.datastore)
            self.datastore.check_width(keys.vectors)
        return keys

    def _use(self, datastore: Datastore) -> None:
        self.datastore = datastore
        self._keep_strings()

    def _keep_strings(self) -> None:
        for label in self.datastore.tag_set.labels:
            # Before spaCy's memory zones see them, which forget new strings.
            self.nlp.vocab.strings.add(label)

    def _warn_of(self, empty: list[int]) -> None:
        if empty:
            ids = ", ".join(map(str, empty[:10])) + (", …" if len(empty) > 10 else "")
            message = warning(Warnings.W002, n=len(empty), ids=ids)
            warnings.warn(message, stacklevel=3)

    # --- saving and loading ------------------------------------------------
    # The settings are in the pipeline's config; see `set_settings`.

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the datastore.

        path (str | Path): A folder.
        exclude (Iterable[str]): `"datastore"` to leave it out.
        """
        util.to_disk(path, {"datastore": self.datastore.to_disk}, exclude)

    def from_disk(self: M, path: str | Path, *, exclude: Iterable[str] = ()) -> M:
        """Load the datastore, mapped into memory.

        path (str | Path): A folder from `to_disk`.
        exclude (Iterable[str]): `"datastore"` to leave it out.
        RETURNS (Memory): This component.
        RAISES (KnnNerError): If it is missing or damaged.
        """
        new = Datastore()

        def load(folder: Path) -> None:
            new.from_disk(folder)

        util.from_disk(path, {"datastore": load}, exclude)
        if "datastore" not in exclude:
            self._use(new)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The datastore as bytes.

        RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
        """
        return util.to_bytes({"datastore": self.datastore.to_bytes}, exclude)

    def from_bytes(self: M, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> M:
        """Load from `to_bytes`."""
        new = Datastore()
        util.from_bytes(bytes_data, {"datastore": new.from_bytes}, exclude)
        if "datastore" not in exclude:
            self._use(new)
        return self


def _without_entry(
    ids: list[int], texts: list[LabelledText], keys: list[TokenKeys]
) -> list[int]:
    """The examples that have no entry."""
    pairs = zip(ids, texts, keys, strict=True)
    return [i for i, text, key in pairs if not set(key.tokens) - set(text.missing)]
