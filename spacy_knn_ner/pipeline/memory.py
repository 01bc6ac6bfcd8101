"""The memory of a component: its datastore, and what its user can do with it."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from spacy import util
from spacy.tokens import Doc

from ..datastore.datastore import Datastore
from ..ty import TokenKeys
from .editing import Editing
from .keys import joined, read_keys

M = TypeVar("M", bound="Memory")


class Memory(Editing):
    """What a component can do that owns a datastore: fill it, edit it, read keys for
    it, save it."""

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

    # --- saving and loading ------------------------------------------------
    # The settings are in the pipeline's config; see `set_settings`.

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the datastore.

        path (str | Path): A folder.
        exclude (Iterable[str]): `"datastore"` to leave it out.
        RAISES (KnnNerError): If somebody else has saved there since it was loaded.
        """
        with self.lock:
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
            with self.lock:
                self.use(new)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The datastore as bytes.

        RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
        """
        with self.lock:
            return util.to_bytes({"datastore": self.datastore.to_bytes}, exclude)

    def from_bytes(self: M, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> M:
        """Load from `to_bytes`."""
        new = Datastore()
        util.from_bytes(bytes_data, {"datastore": new.from_bytes}, exclude)
        if "datastore" not in exclude:
            with self.lock:
                self.use(new)
        return self
