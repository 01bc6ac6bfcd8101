"""Pipelines that travel: to the processes of a cluster, as bytes."""

import io
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import spacy
from spacy.language import Language
from thinc.api import Config

from ..datastore.datastore import Datastore


def packed(nlp: Language, *, without_store: str | None = None) -> bytes:
    """Pack a pipeline.

    nlp (Language): With its present settings.
    without_store (str | None): A component that gets an empty datastore of its own:
        for encoding. Default: all take theirs along, or use the shared one.
    RETURNS (bytes): For `Traveled`.
    """
    buffer = io.BytesIO()
    with TemporaryDirectory() as folder:
        if without_store is None:
            nlp.to_disk(folder)
        else:
            _write_without_store(nlp, without_store, Path(folder))
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(folder, ".")
    return buffer.getvalue()


def _write_without_store(nlp: Language, name: str, folder: Path) -> None:
    nlp.to_disk(folder, exclude=[name])
    config = Config().from_disk(folder / "config.cfg")
    del config["components"][name]["store"]  # by default, files
    config.to_disk(folder / "config.cfg")
    component: Any = nlp.get_pipe(name)
    component.to_disk(folder / name, exclude=["datastore"])
    Datastore().to_disk(folder / name / "datastore")


class Traveled:
    """A pipeline from bytes, in a folder of its own as long as it is used.

    nlp (Language): The pipeline.
    """

    def __init__(self, data: bytes, *, on_gpu: bool = False) -> None:
        """data (bytes): From `packed`.
        on_gpu (bool): Whether it predicts on a GPU. Default: False.
        """
        if on_gpu:
            spacy.require_gpu()
        self._folder = TemporaryDirectory()
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(self._folder.name, filter="data")
        self.nlp = spacy.load(Path(self._folder.name))
