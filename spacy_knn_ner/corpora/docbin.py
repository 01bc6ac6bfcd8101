"""Docs on disk, in spaCy's own format (.spacy)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import Errors, KnnNerError


class DocFile:
    """The Docs of a .spacy file, made when they are iterated over."""

    def __init__(self, path: str | Path, vocab: Vocab) -> None:
        """path (str | Path): The file.
        vocab (Vocab): The Docs' vocabulary.
        RAISES (KnnNerError): If it cannot be read, or is no such file.
        """
        self._path, self._vocab = path, vocab
        with self._reading():
            self._bin = DocBin().from_disk(path)

    def __len__(self) -> int:
        return len(self._bin)

    def __iter__(self) -> Iterator[Doc]:
        """RAISES (KnnNerError): If it is damaged."""
        with self._reading():
            yield from self._bin.get_docs(self._vocab)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except GeneratorExit:
            raise
        except OSError as error:
            raise KnnNerError(
                Errors.E024, path=self._path, reason=error.strerror
            ) from error
        except Exception as error:
            # What DocBin raises depends on where the bytes stop making sense.
            raise KnnNerError(Errors.E061, path=self._path) from error


def read_docs(path: str | Path, vocab: Vocab) -> list[Doc]:
    """Read the Docs of a file.

    path (str | Path): A .spacy file.
    vocab (Vocab): The Docs' vocabulary.
    RETURNS (list[Doc]): In order.
    RAISES (KnnNerError): If it is none of these.
    """
    return list(DocFile(path, vocab))


def write_docs(docs: Iterable[Doc], path: str | Path) -> None:
    """Write Docs with their user data. A file that is there is replaced when all is
    written.

    docs (Iterable[Doc]): The Docs.
    path (str | Path): A .spacy file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    DocBin(docs=docs, store_user_data=True).to_disk(partial)
    partial.replace(path)
