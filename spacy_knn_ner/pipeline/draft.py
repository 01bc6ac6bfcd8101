"""The keys of a build, batch by batch on disk: what was encoded before an interruption
is not encoded again."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..ty import LabelledText, TokenKeys

Encode = Callable[[list[LabelledText]], tuple[str, list[TokenKeys]]]


class Draft:
    """A folder of batches.

    A file's name is the digest of what its keys depend on: so it is found again in
    whatever order, and never taken for another's.
    """

    def __init__(self, folder: str | Path, about: Any) -> None:
        """folder (str | Path): Made if missing.
        about (Any): What the keys of all texts depend on, as JSON.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._about = about

    def keys(
        self, texts: list[LabelledText], encode: Encode
    ) -> tuple[str, list[TokenKeys]]:
        """The keys of a batch, from its file or else into it.

        texts (list[LabelledText]): The batch.
        encode (Encode): Makes the tagger's scheme and the keys.
        RETURNS (tuple[str, list[TokenKeys]]): What it made, now or earlier.
        """
        path = self.folder / f"{self._digest(texts)}.npz"
        try:
            return _read(path)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            pass  # not there, or not readable any more
        scheme, keys = encode(texts)
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            _write(file, scheme, keys)
        os.replace(beside, path)  # so that a file is complete, if it is there
        return scheme, keys

    def _digest(self, texts: list[LabelledText]) -> str:
        # Not the entities: whoever mends those need not encode again.
        seen = [(text.words, text.spaces, text.sentence_starts) for text in texts]
        data = json.dumps([self._about, seen], sort_keys=True, default=str)
        return hashlib.sha256(data.encode()).hexdigest()


def remove_draft(folder: Path) -> None:
    """Delete a draft when what was built is saved; what else lies there stays.

    folder (Path): Of the draft.
    """
    for path in [*folder.glob("*.npz"), *folder.glob("*.part")]:
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _write(file: Any, scheme: str, keys: list[TokenKeys]) -> None:
    with_keys = [key.vectors for key in keys if len(key)]
    np.savez(
        file,
        scheme=np.array(scheme),
        vectors=np.concatenate(with_keys) if with_keys else np.zeros((0, 0), "f4"),
        tokens=np.concatenate([key.tokens for key in keys]),
        n_keys=np.array([len(key) for key in keys]),
        n_tokens=np.array([key.n_tokens for key in keys]),
    )


def _read(path: Path) -> tuple[str, list[TokenKeys]]:
    with np.load(path, allow_pickle=False) as saved:
        ends = np.cumsum(saved["n_keys"])[:-1]
        parts = zip(
            np.split(saved["vectors"], ends),
            np.split(saved["tokens"], ends),
            saved["n_tokens"].tolist(),
            strict=True,
        )
        return str(saved["scheme"]), [TokenKeys(*part) for part in parts]
