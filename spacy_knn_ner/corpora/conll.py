"""Token-per-line files → Docs."""

from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..errors import Errors, KnnNerError
from ..tags import split_tag, tags_to_spans


def read_conll(path: str | Path, vocab: Vocab) -> Iterator[Doc]:
    """Read a file with a token and its BIO tag per line, one Doc per sentence.

    Sentences are separated by blank lines, which may hold white space (as in
    WNUT-17's training file). The token is the first column, the tag the last.

    path (str | Path): A UTF-8 file.
    vocab (Vocab): The Docs' vocabulary.
    YIELDS (Doc): With entities; every token is annotated.
    RAISES (KnnNerError): For a line without a tag or with a malformed one, with
        file and line number.
    """
    words: list[str] = []
    tags: list[str] = []
    # Not splitlines(): it would also cut at U+2028 and friends inside a token.
    with Path(path).open(encoding="utf8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                if words:
                    yield make_doc(vocab, words, tags)
                words, tags = [], []
                continue
            columns = line.rstrip("\r\n").split("\t")
            if len(columns) == 1:
                columns = line.split()
            if len(columns) < 2 or not columns[0]:
                raise KnnNerError(Errors.E020, path=path, line=number, text=line)
            tag = columns[-1].strip()
            prefix, label = split_tag(tag)
            if prefix not in ("O", "B", "I") or bool(label) != (prefix != "O"):
                raise KnnNerError(Errors.E021, path=path, line=number, tag=tag)
            words.append(columns[0])
            tags.append(tag)
    if words:
        yield make_doc(vocab, words, tags)


def make_doc(vocab: Vocab, words: list[str], tags: list[str]) -> Doc:
    """A Doc of these words, separated by spaces, with the tags' entities."""
    doc = Doc(vocab, words=words)
    spans = tags_to_spans(tags)
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
    return doc
