"""Pipelines that travel: to the processes of a cluster, as bytes."""

import io
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy
from spacy.language import Language


def packed(nlp: Language) -> bytes:
    """Pack a pipeline.

    nlp (Language): With its present settings.
    RETURNS (bytes): For `Traveled`.
    """
    buffer = io.BytesIO()
    with TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(folder, ".")
    return buffer.getvalue()


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
