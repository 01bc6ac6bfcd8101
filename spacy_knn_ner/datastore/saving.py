"""Saving a datastore, and loading it."""

import io
import sqlite3
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import srsly

from ..errors import Errors, KnnNerError
from ..tags import TagSet
from . import storage
from .blocks import Blocks
from .examples import ExampleStore
from .tier import Tier

STORE, CORRECTIONS = TIERS = ("store", "corrections")
_FIELD_LIMIT = 4 * 1024**3 - 1

S = TypeVar("S", bound="Saving")


class Saving:
    """What a datastore does with disks and bytes.

    saved_as (dict[Path, str]): Where it was loaded from or saved to, and which
        version that was.
    """

    dtype: str
    tag_set: TagSet
    encoder: dict[str, Any] | None
    examples: ExampleStore
    tiers: dict[str, Tier]
    saved_as: dict[Path, str]

    @property
    def width(self) -> int | None:
        """Width of the keys; None while there are none."""
        return self.tiers[STORE].width if self.tiers else None

    def size(self, tier: str) -> int:
        """How many entries a tier has.

        tier (str): `"store"` or `"corrections"`.
        """
        return len(self.tiers[tier]) if self.tiers else 0

    def to_disk(self, path: str | Path) -> None:
        """Save as the next generation; see `storage`.

        path (str | Path): A folder, which may hold an earlier save.
        RAISES (KnnNerError): If this was loaded from there, and somebody else has saved
            there since; then nothing is changed.
        """
        folder = Path(path).resolve()
        based_on = self.saved_as.get(folder)
        with ExitStack() as held:
            for tier in self.tiers.values():
                held.enter_context(tier.lock)  # who changes it waits
            version = storage.save(folder, *self._saved(), based_on=based_on)
        self.saved_as[folder] = version

    def _saved(self) -> tuple[storage.Writers, dict[str, Any]]:
        """What writes each file, and what the manifest says."""
        writers: storage.Writers = {"examples.sqlite": self.examples.save}
        for name, tier in self.tiers.items():
            keep = ~tier.entries.array()["forgotten"]
            writers[f"{name}.keys.npy"] = partial(tier.keys.save, keep=keep)
            writers[f"{name}.entries.npy"] = partial(tier.entries.save, keep=keep)
        about = self._about()
        saved = self.tiers[STORE].saved_index() if self.tiers else None
        if saved is not None:
            files, about["index"] = saved
            writers |= {f"{STORE}.{name}": write for name, write in files.items()}
        return writers, about

    def _about(self) -> dict[str, Any]:
        return {
            "width": self.width,
            "dtype": self.dtype,
            "tag_scheme": self.tag_set.scheme,
            "labels": list(self.tag_set.labels),
            "encoder": self.encoder,
            "examples": len(self.examples),
            "entries": {tier: self.size(tier) for tier in TIERS},
        }

    def from_disk(self: S, path: str | Path, *, check: bool = False) -> S:
        """Load what `to_disk` saved. Keys stay on disk, mapped into memory.

        path (str | Path): The folder.
        check (bool): Also compare the SHA-256 of every file.
        RAISES (KnnNerError): If it is missing, damaged or too new.
        """
        folder = Path(path).resolve()
        while True:
            version = storage.version(folder)
            try:
                loaded = _load(folder, check)
            except (KnnNerError, OSError, sqlite3.Error):
                if storage.version(folder) == version:
                    raise
                continue  # another process has just replaced what was being read
            if version is not None and storage.version(folder) == version:
                break
        self._set(*loaded)
        self.saved_as[folder] = version
        return self

    def _set(
        self, about: dict[str, Any], tiers: dict[str, Tier], examples: ExampleStore
    ) -> None:
        self.dtype = about["dtype"]
        self.tag_set = TagSet(about["tag_scheme"], tuple(about["labels"]))
        self.encoder = about["encoder"]
        self.tiers = tiers
        self.examples = examples

    def to_bytes(self) -> bytes:
        """Everything as bytes.

        RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
        """
        msg: dict[str, Any] = {
            "about": self._about(),
            "examples": self.examples.to_bytes(),
        }
        for name, tier in self.tiers.items():
            keep = ~tier.entries.array()["forgotten"]
            msg[f"{name}.keys"] = _npy(tier.keys.array()[keep])
            msg[f"{name}.entries"] = _npy(tier.entries.array()[keep])
        size = sum(len(part) for part in msg.values() if isinstance(part, bytes))
        if size > _FIELD_LIMIT:
            raise KnnNerError(Errors.E036, size=size)
        return srsly.msgpack_dumps(msg)

    def from_bytes(self: S, data: bytes) -> S:
        """Load from `to_bytes`."""
        msg = srsly.msgpack_loads(data)
        about, tiers = msg["about"], {}
        for name in TIERS:
            if about["width"] is not None:
                keys, entries = (
                    np.load(io.BytesIO(msg[f"{name}.{part}"]), allow_pickle=False)
                    for part in ("keys", "entries")
                )
                tiers[name] = _tier(about["width"], keys, entries)
        self._set(about, tiers, ExampleStore.from_bytes(msg["examples"]))
        return self


def _load(
    folder: Path, check: bool
) -> tuple[dict[str, Any], dict[str, Tier], ExampleStore]:
    generation, manifest = storage.current(folder, check=check)
    names = () if manifest["width"] is None else TIERS
    tiers = {name: _load_tier(generation, name, manifest) for name in names}
    if "index" in manifest:
        store = tiers[STORE]
        store.load_index(generation / STORE, manifest["index"])
        if store.n_indexed not in (0, len(store.keys)):
            reason = f"the index has {store.n_indexed} keys"
            raise KnnNerError(Errors.E032, path=folder, reason=reason)
    return manifest, tiers, ExampleStore(generation / "examples.sqlite")


def _load_tier(generation: Path, name: str, manifest: dict[str, Any]) -> Tier:
    keys = np.load(generation / f"{name}.keys.npy", mmap_mode="r", allow_pickle=False)
    # Copied where written to: what is forgotten here is not forgotten there.
    path = generation / f"{name}.entries.npy"
    entries = np.load(path, mmap_mode="c", allow_pickle=False)
    expected = (manifest["entries"][name], manifest["width"])
    if keys.shape != expected or entries.shape != expected[:1]:
        reason = f"{name} has {keys.shape} keys instead of {expected}"
        raise KnnNerError(Errors.E032, path=generation.parent, reason=reason)
    return _tier(manifest["width"], keys, entries)


def _tier(width: int, keys: np.ndarray, entries: np.ndarray) -> Tier:
    return Tier(
        width,
        keys=Blocks(keys.dtype, width, keys),
        entries=Blocks(entries.dtype, None, entries),
    )


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
