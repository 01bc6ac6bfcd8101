"""Every format by its name: the one place that knows them all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import spacy
from spacy import util
from spacy.tokens import Doc
from spacy.vocab import Vocab, create_vocab

from ..errors import Errors, KnnNerError
from .conll2012 import BEGIN, read_conll2012
from .json_files import read_json_file
from .json_lines import read_json_lines
from .lines import numbered_lines
from .records import sentences_of
from .schemes import SCHEMES
from .segments import read_segments
from .sentence import Counts, Sentence, count, to_docs
from .token_lines import SEPARATORS, Columns, read_token_lines

# Languages written without spaces between words.
_UNSPACED = {"zh", "ja", "th", "bo"}


@dataclass(frozen=True)
class Format:
    """How files of a kind are read.

    kind (str): `"tokens"` (a token per line), `"conll2012"`, `"segments"`, `"jsonl"`,
        `"json"`, or `"auto"`: found out from the file.
    lang (str): Language, a spaCy code.
    columns (Columns): Of a token per line.
    characters (bool): Words are split into characters.
    """

    kind: str
    lang: str = "en"
    columns: Columns = field(default_factory=Columns)
    characters: bool = False


FORMATS = {
    "auto": Format("auto"),
    "tokens": Format("tokens"),
    "jsonl": Format("jsonl"),
    "json": Format("json"),
    "conll2012": Format("conll2012"),
    "conll2003": Format("tokens", columns=Columns(scheme="IOB1")),
    "conllpp": Format("tokens", columns=Columns(scheme="BIO")),
    "wnut17": Format("tokens", columns=Columns(scheme="BIO")),
    "ncbi": Format("tokens", columns=Columns(scheme="BIO")),
    "weibo": Format("tokens", "zh", Columns(scheme="BIO", character=True)),
    "resume": Format("tokens", "zh", Columns(scheme="BMES")),
    "msra": Format("tokens", "zh", Columns(scheme="BIO")),
    "msra-segments": Format("segments", "zh"),
    # From a licensed copy: in CoNLL-2012 format, or a token per line.
    "ontonotes5": Format("auto"),
    "ontonotes4": Format("auto", "zh", characters=True),
}


def read_corpus(
    path: str | Path,
    format: str = "auto",
    *,
    lang: str | None = None,
    layout: Mapping[str, Any] | None = None,
    characters: bool | None = None,
    part: slice = slice(None),
    n_sents: int = 1,
    bad_lines: str = "fail",
    vocab: Vocab | None = None,
) -> tuple[list[Doc], Counts]:
    """Read a file into Docs.

    path (str | Path): The file.
    format (str): One of `FORMATS`. Default: found out from the file.
    lang (str | None): A spaCy language code; it decides about spaces between tokens,
        and tokenizes JSON lines. Default: the format's.
    layout (Mapping[str, Any] | None): What a token-per-line file has other than the
        format says, by the names of `Columns`.
    characters (bool | None): Split words into characters. Default: the format's.
    part (slice): Which sentences. Default: all.
    n_sents (int): Sentences per Doc; 0: whole documents. Default: 1.
    bad_lines (str): Lines of a token-per-line file that cannot be read: `"fail"`
        (default), `"skip"` them, or `"repair"`: an empty token becomes U+FFFD, and
        other lines are skipped.
    vocab (Vocab | None): The Docs' vocabulary. Default: a new one.
    RETURNS (tuple[list[Doc], Counts]): The Docs, and what was found.
    RAISES (KnnNerError): For an unknown format or language, options that the format
        has no use for, or a malformed line.
    """
    if format not in FORMATS:
        raise KnnNerError(Errors.E027, format=format, known=list(FORMATS))
    path = Path(path)
    found = FORMATS[format]
    found = replace(
        found,
        lang=found.lang if lang is None else lang,
        columns=replace(found.columns, **(layout or {})),
        characters=found.characters if characters is None else characters,
    )
    if found.columns.scheme not in (None, *SCHEMES):
        raise KnnNerError(Errors.E001, scheme=found.columns.scheme, known=list(SCHEMES))
    if found.columns.separator not in (None, *SEPARATORS):
        known = list(SEPARATORS)
        raise KnnNerError(Errors.E019, separator=found.columns.separator, known=known)
    vocab = _vocab(found.lang) if vocab is None else vocab
    sentences, scheme, skipped = _read(path, format, found, bool(layout), bad_lines)
    sentences = sentences[part]
    if found.characters:
        sentences = [sentence.in_characters() for sentence in sentences]
    if not sentences:
        raise KnnNerError(Errors.E029, path=path)
    docs = list(to_docs(sentences, vocab, n_sents=n_sents, path=path))
    return docs, count(sentences, scheme=scheme, skipped=skipped)


def _vocab(lang: str) -> Vocab:
    """A language's vocabulary, without its tokenizer, which may not be installed."""
    try:
        return create_vocab(lang, util.get_lang_class(lang).Defaults)
    except ImportError as error:
        raise KnnNerError(Errors.E017, lang=lang) from error


def _read(
    path: Path, name: str, format: Format, has_layout: bool, bad_lines: str
) -> tuple[list[Sentence], str | None, int]:
    joined = format.lang in _UNSPACED
    kind = _kind(path) if format.kind == "auto" else format.kind
    if has_layout and kind != "tokens":
        raise KnnNerError(Errors.E016, path=path, format=name)
    if kind == "tokens":
        return read_token_lines(
            path, format.columns, joined=joined, bad_lines=bad_lines
        )
    if kind == "conll2012":
        return read_conll2012(path, joined=joined), None, 0
    if kind == "segments":
        return read_segments(path), None, 0
    read = read_json_file if kind == "json" else read_json_lines
    records, skipped = read(path)
    return sentences_of(records, path, spacy.blank(format.lang)), None, skipped


def _is_one_object(path: Path) -> bool:
    """Whether an object is written over several lines."""
    first = next(line for _, line in numbered_lines(path) if line.strip())
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return first.strip() == "{"
    return False


def _kind(path: Path) -> str:
    first = next((line for _, line in numbered_lines(path) if line.strip()), "")
    if first.lstrip().startswith("["):
        return "json"
    if first.startswith("{"):
        return "json" if _is_one_object(path) else "jsonl"
    return "conll2012" if first.startswith(BEGIN) else "tokens"
