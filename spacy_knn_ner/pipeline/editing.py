"""Editing what a component remembers: one correction at a time, heeded at once."""

from collections.abc import Iterable

from spacy.tokens import Doc
from spacy.training import Example

from ..datastore.datastore import CORRECTIONS
from ..errors import Errors, KnnNerError
from .filling import Filling, without_entry
from .labelled import labelled_text


class Editing(Filling):
    """What a component can do whose datastore takes corrections."""

    def add(
        self,
        docs: Iterable[Doc | Example],
        *,
        source: str | None = None,
        again: bool = False,
    ) -> list[int]:
        """Add corrections: labelled Docs that are heeded at once.

        A correction that is there already is not added again. Earlier ones of the same
        words become silent about what it contradicts.

        docs (Iterable[Doc | Example]): With `doc.ents`; of Examples the reference
            counts. Annotate what you know: tokens without annotation (`ent_iob == 0`)
            are not stored.
        source (str | None): Where they come from, such as a person or a file; see
            `forget`.
        again (bool): Add them even if they are there already, so that they count
            twice. Default: False.
        RETURNS (list[int]): The examples' ids, in order; for `forget`.
        RAISES (KnnNerError): If the datastore was built with another encoder.
        """
        given = (doc.reference if isinstance(doc, Example) else doc for doc in docs)
        texts = [labelled_text(doc, self.name) for doc in given]
        scheme, keys = self.encoder.keys(texts, self.datastore.tag_set.scheme)
        with self.lock:
            datastore = self.datastore
            if len(datastore):
                self.encoder.check(datastore)
            else:
                datastore.begin(
                    dtype=self.settings.keys.dtype, encoder=self.encoder.fingerprint()
                )
            datastore.use_scheme(scheme)
            if again:
                ids = datastore.add(texts, keys, tier=CORRECTIONS, source=source)
            else:
                ids = datastore.correct(texts, keys, source=source)
            self.keep_strings()
        self.warn_of(without_entry(ids, texts, keys))
        return ids

    def forget(
        self,
        example_ids: Iterable[int] | None = None,
        *,
        source: str | None = None,
        text: str | None = None,
    ) -> int:
        """Remove examples from either tier: those for which all that is given holds.

        example_ids (Iterable[int] | None): From `build` or `add`.
        source (str | None): As it was given to `add`.
        text (str | None): Letter by letter a part of the example's text.
        RETURNS (int): How many entries (tokens) were removed.
        RAISES (KnnNerError): For an unknown id, or if nothing is given, or an empty
            text; then nothing is removed.
        """
        with self.lock:
            if "" in (source, text):  # it would be in every text
                raise KnnNerError(Errors.E075, name=self.name)
            ids = None if example_ids is None else [int(i) for i in example_ids]
            for i in ids or ():
                self.datastore.example(i)
            if source is not None or text is not None:
                found = self.datastore.examples.ids(source=source, contains=text)
                ids = found if ids is None else sorted(set(ids) & set(found))
            if ids is None:
                raise KnnNerError(Errors.E075, name=self.name)
            return self.datastore.forget(ids)

    def relabel(self, old_label: str, new_label: str) -> int:
        """Rename a label in all examples. A label of the tagger's is not touched: it
        goes on to predict it.

        old_label (str): Must be there.
        new_label (str): If it is there too, the two become one.
        RETURNS (int): How many examples had the old one.
        RAISES (KnnNerError): If there is no such label; then nothing is changed.
        """
        with self.lock:
            found = self.datastore.relabel(old_label, new_label)
            self.keep_strings()
            return found

    def consolidate(self) -> int:
        """Move all corrections into the store, where they count as any other example.

        RETURNS (int): How many examples were moved.
        """
        with self.lock:
            return self.datastore.consolidate()
