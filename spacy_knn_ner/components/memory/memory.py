"""The memory of a `knn_ner`: its datastore and calibration, and what changes them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ...corrections.phrase_index import PhraseIndex
from ...corrections.radius import find_radius
from ...corrections.revising import Addition, History
from ...datastore.datastore import CORRECTIONS, Datastore
from ...datastore.index.base import IndexFactory
from ...datastore.place import Place
from ...errors import Errors, KnnNerError
from ...inference.confidence import Calibration
from ...locking import Lock
from ...reading.cache import EncodingCache
from ...reading.encoder import KeyEncoder, scheme_of
from ...settings import Settings
from ...tags import TagSet
from ...types import AnnotatedText, check_unicode
from . import building, editing, sharing


class Memory:
    """Fills, edits, saves and loads a datastore.

    datastore (Datastore): What was seen.
    phrases (dict[str, PhraseIndex]): The words of both of its parts.
    history (History): What later corrections have replaced, since it was loaded, built
        or consolidated.
    encoder (KeyEncoder): Makes its keys.
    index_factory (IndexFactory): Makes the index of its store.
    place (Place): Keeps the datastore.
    calibration (Calibration): What `spacy knn tune` has fitted.
    lock (Lock): Held while the datastore is read or changed.
    """

    def __init__(
        self, encoder: KeyEncoder, index_factory: IndexFactory, place: Place
    ) -> None:
        """encoder (KeyEncoder): Of the pipeline.
        index_factory (IndexFactory): Makes the index of the store.
        place (Place): Keeps the datastore.
        """
        self.encoder, self.index_factory, self.place = encoder, index_factory, place
        self.lock, self.calibration = Lock(), Calibration()
        self.absence = sharing.Absence()
        is_shared = place.is_shared
        self.use(place.attached() if is_shared else self.empty_datastore())

    def empty_datastore(self) -> Datastore:
        """Make an empty datastore with the same settings."""
        datastore = Datastore(dtype=self.encoder.settings.dtype)
        datastore.store.index_factory = self.index_factory
        return datastore

    def use(self, datastore: Datastore) -> None:
        """Replace the datastore.

        datastore (Datastore): Searched from now on.
        """
        self.datastore, self.history = datastore, History()
        self._n_rereads = datastore.n_rereads
        self.set_index_factory(self.index_factory)
        self.encoder.projection = datastore.projection
        self._make_phrases()
        self._keep_strings()

    def _make_phrases(self) -> None:
        self.phrases = {
            part: PhraseIndex(table, of_corrections=part == CORRECTIONS)
            for part, table in self.datastore.tables.items()
        }

    def set_index_factory(self, index_factory: IndexFactory) -> None:
        """Use another kind of index, made at the next search or `prepare`.

        index_factory (IndexFactory): Makes the index of the store.
        """
        self.index_factory = index_factory
        if not self.place.is_shared:  # which has one of its own
            self.datastore.store.index_factory = index_factory

    def set_place(self, place: Place) -> None:
        """Keep the datastore elsewhere from now on.

        place (Place): What it has is used; if it has none, the present datastore is put
            there. With files, a copy of a shared one.
        RAISES (KnnNerError): If it is away; then nothing changes.
        """
        with self.lock:
            datastore = sharing.moved(self.datastore, self.place, place)
            self.place = place
            self.use(datastore)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read one state of the datastore, the newest; an edit in another thread or
        process is seen as a whole, or not at all.

        RAISES (KnnNerError): If a shared datastore is away.
        """
        with self.lock, self.datastore.home.reading(self.datastore):
            if self.place.is_shared:  # others may have changed it
                self.calibration = sharing.calibrated(self.calibration, self.datastore)
                self.encoder.projection = self.datastore.projection
                self._keep_strings()
            yield

    @contextmanager
    def without(self, error: KnnNerError) -> Iterator[None]:
        """Go on without a shared datastore that is away.

        error (KnnNerError): What `reading` has raised.
        RAISES (KnnNerError): The same, if that is not wanted.
        """
        if not self.absence.allows(error, self.place):
            raise error
        with self.lock:
            datastore, phrases = self.datastore, self.phrases
            self.datastore = self.empty_datastore()
            self.datastore.tag_set = TagSet(datastore.tag_set.scheme)
            self._make_phrases()
            try:
                yield
            finally:
                self.datastore, self.phrases = datastore, phrases

    # --- filling -----------------------------------------------------------------

    def build(
        self,
        docs: Iterable[Doc],
        settings: Settings,
        batch_size: int = 64,
        show_progress: bool = True,
        cache: str | Path | None = None,
    ) -> list[int]:
        """Fill the store from annotated Docs; what it held before is replaced.

        Corrections stay: they are encoded again. If anything fails, the datastore stays
        as it was.

        docs (Iterable[Doc]): With `doc.ents`; read once, in batches. Tokens without
            annotation (`ent_iob == 0`) are not stored.
        settings (Settings): Of the component.
        batch_size (int): Docs encoded at once. Default: 64.
        show_progress (bool): Show a progress bar. Default: True.
        cache (str | Path | None): A folder for the keys of each batch. An interrupted
            build goes on from there, if it is run again with the same batches and
            encoder. Delete it when the datastore is saved. Default: none.
        RETURNS (list[int]): The examples' ids, in order.
        RAISES (KnnNerError): If the pipeline's encoder leaves no vectors, or the
            datastore was changed meanwhile.
        """
        with self.reading():
            old, n_changes = self.datastore, self.datastore.n_changes
        built = building.build_store(
            old,
            self.encoder,
            docs,
            batch_size=batch_size,
            show_progress=show_progress,
            cache=None if cache is None else EncodingCache(cache, self.encoder),
        )
        self._replace(built.datastore, old, n_changes, settings)
        building.warn_without_entry(built.without_entry)
        return built.ids

    def rebuild(
        self, settings: Settings, batch_size: int = 64, show_progress: bool = True
    ) -> int:
        """Make the keys of all examples again: after the encoder was trained further or
        replaced, or with other `keys` settings.

        What was forgotten stays so; entries that `spacy knn compress` removed come
        back. If anything fails, the datastore stays as it was.

        settings (Settings): Of the component.
        batch_size (int), show_progress (bool): As for `build`.
        RETURNS (int): How many examples there are.
        RAISES (KnnNerError): As for `build`.
        """
        with self.reading():
            old, n_changes = self.datastore, self.datastore.n_changes
        new = building.rebuild_entries(
            old, self.encoder, batch_size=batch_size, show_progress=show_progress
        )
        self._replace(new, old, n_changes, settings)
        return len(new.examples)

    def _replace(
        self, new: Datastore, old: Datastore, n_changes: int, settings: Settings
    ) -> None:
        """Use a new datastore, unless the one it was made from has changed."""
        if not self.place.is_shared:
            new.store.index_factory = self.index_factory
            building.make_index(new, settings, self.encoder.name)
        with self.lock:
            with self.reading():
                if self.datastore is not old or old.n_changes != n_changes:
                    raise KnnNerError(Errors.E052, name=self.encoder.name)
            new.saved_as = dict(old.saved_as)
            self.use(self.place.put(new, old))
            self._find_radius(settings)
        if self.place.is_shared:
            self.prepare(settings)

    def prepare(self, settings: Settings) -> dict[str, Any]:
        """Make the index of the store now, rather than at the first search.

        An approximate one searches the longer, until it is faithful: for 97.5 % of
        entries whose neighbors (without their own example) vote for another tag than
        theirs, it gives the same tag as exact search. `build` does all this, and
        `to_disk` saves it; call it again after settings have changed.

        settings (Settings): Of the component.
        RETURNS (dict[str, Any]): A description of the index.
        """
        home = self.datastore.home
        home.make_index(self.datastore, settings.metric)
        with self.reading():
            self._find_radius(settings)
            found = building.make_index(self.datastore, settings, self.encoder.name)
        with self.lock:
            home.keep(self.datastore, self.calibration.correction_radius)
        return found

    def _find_radius(self, settings: Settings) -> None:
        radius = find_radius(self.datastore, self.phrases, settings.metric)
        self.calibration = replace(self.calibration, correction_radius=radius)

    # --- editing -----------------------------------------------------------------

    def add(
        self,
        texts: list[AnnotatedText],
        docs: list[Doc],
        *,
        source: str | None = None,
        allow_duplicates: bool = False,
    ) -> list[Addition]:
        """Add corrections that take effect immediately; see `KnnNer.add`.

        texts (list[AnnotatedText]): The corrections.
        docs (list[Doc]): Their texts after the components in front.
        source (str | None), allow_duplicates (bool): As for `KnnNer.add`.
        RETURNS (list[Addition]): What was added, in order.
        RAISES (KnnNerError): If the datastore was built with another encoder.
        """
        scheme = scheme_of(docs, self.datastore.tag_set.scheme)
        keys = self.encoder.read(docs)
        with self.lock:
            with self.datastore.transaction():
                history = self._history()
                added = editing.add(
                    self.datastore,
                    self.encoder,
                    scheme,
                    texts,
                    keys,
                    source=source,
                    allow_duplicates=allow_duplicates,
                    history=history,
                )
            self.history = history
            self._keep_strings()
        ids = [addition.example_id for addition in added]
        building.warn_without_entry(building.without_entry(ids, texts, keys))
        return added

    def forget(
        self,
        example_ids: Iterable[int] | None = None,
        *,
        source: str | None = None,
        text: str | None = None,
    ) -> int:
        """Remove examples from either part: those for which all that is given holds.
        What they had replaced in earlier corrections comes back.

        example_ids (Iterable[int] | None): From `build` or `add`.
        source (str | None): As it was given to `add`.
        text (str | None): A part of the example's text, case-sensitive.
        RETURNS (int): How many entries (tokens) were removed.
        RAISES (KnnNerError): For an unknown id, or if nothing is given, or an empty
            text; then nothing is removed.
        """
        with self.lock:
            with self.datastore.transaction():
                history = self._history()
                ids = editing.find_examples(
                    self.datastore,
                    history,
                    self.encoder.name,
                    example_ids,
                    source=source,
                    text=text,
                )
                present = self.datastore.examples.present(ids)
                removed = self.datastore.forget(present)
                for example, keys in history.forget(ids):
                    if not editing.has(self.datastore, example):
                        self.datastore.restore(example, keys)
            self.history = history
            self._keep_strings()
            return removed

    def _history(self) -> History:
        """What later corrections have replaced, to be changed; nothing, after another
        process has built, renamed or consolidated."""
        if self.datastore.n_rereads != self._n_rereads:
            self._n_rereads, self.history = self.datastore.n_rereads, History()
        return self.history.copy()

    def relabel(self, old_label: str, new_label: str) -> int:
        """Rename a label in all examples. A label of the tagger's stays: it goes on to
        predict it.

        old_label (str): Must exist.
        new_label (str): If it exists too, the two become one.
        RETURNS (int): How many examples had the old one.
        RAISES (KnnNerError): If there is no such label; then nothing is changed.
        """
        with self.lock:
            if isinstance(new_label, str):
                check_unicode(new_label)
            count = self.datastore.relabel(old_label, new_label)
            self.history = History()
            self._keep_strings()
            return count

    def consolidate(self) -> int:
        """Move all corrections into the store, where they count as any other example.

        RETURNS (int): How many examples were moved.
        """
        with self.lock:
            count = self.datastore.consolidate()
            self.history = History()
            return count

    def _keep_strings(self) -> None:
        """Add labels before spaCy's memory zones, which forget new strings."""
        for label in self.datastore.tag_set.labels:
            self.encoder.nlp.vocab.strings.add(label)
