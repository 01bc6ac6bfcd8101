"""Docs on disk, in spaCy's own format (.spacy)."""

from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import Errors, KnnNerError


def read_docs(path: str | Path, vocab: Vocab) -> list[Doc]:
    """The Docs of a file.

    path (str | Path): A .spacy file.
    vocab (Vocab): The Docs' vocabulary.
    RETURNS (list[Doc]): In order.
    RAISES (KnnNerError): If it is none of these.
    """
    try:
        return list(DocBin().from_disk(path).get_docs(vocab))
    except OSError:
        raise
    except Exception as error:
        # What DocBin raises depends on where the bytes stop making sense.
        raise KnnNerError(Errors.E061, path=path) from error


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
