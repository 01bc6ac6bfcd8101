"""Published files: fetched, checked and read."""

import hashlib

import pytest
import spacy

from spacy_knn_ner.corpora import assets
from spacy_knn_ner.corpora.conll import read_conll
from spacy_knn_ner.errors import KnnNerError

VOCAB = spacy.blank("en").vocab


def read(tmp_path, text):
    path = tmp_path / "file.conll"
    path.write_text(text, encoding="utf8")
    return [
        ([token.text for token in doc], [(e.start, e.end, e.label_) for e in doc.ents])
        for doc in read_conll(path, VOCAB)
    ]


def test_a_token_and_a_tag_per_line(tmp_path):
    text = "Ada\tB-person\nLovelace\tI-person\nlives\tO\n\nHi\tO\n"
    assert read(tmp_path, text) == [
        (["Ada", "Lovelace", "lives"], [(0, 2, "person")]),
        (["Hi"], []),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Ada\tB-person\n\t\n \nHi\tO",  # separators with white space, no last newline
        "\n\nAda B-person\r\n\r\nHi O\r\n\n\n",  # spaces, Windows line ends
        "Ada\tNNP\tB-person\n\nHi\tUH\tO\n",  # columns between
    ],
)
def test_odd_but_clear_files(tmp_path, text):
    assert read(tmp_path, text) == [(["Ada"], [(0, 1, "person")]), (["Hi"], [])]


def test_line_separators_inside_a_token_stay(tmp_path):
    assert read(tmp_path, "a\u2028b\tO\nc\u00a0d\tO\n") == [
        (["a\u2028b", "c\u00a0d"], [])
    ]


def test_every_token_is_annotated(tmp_path):
    path = tmp_path / "file.conll"
    path.write_text("Hi\tO\nyou\tO\n")
    (doc,) = read_conll(path, VOCAB)
    assert doc.has_annotation("ENT_IOB", require_complete=True)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("Ada\tO\nLovelace\n", "KNN-E020", 2),
        ("\tO\n", "KNN-E020", 1),
        ("Ada\tO\n\nx\tX-person\n", "KNN-E021", 3),
        ("Ada\tB\n", "KNN-E021", 1),
        ("Ada\tO-person\n", "KNN-E021", 1),
    ],
)
def test_malformed_lines_are_named(tmp_path, text, code, line):
    with pytest.raises(KnnNerError, match=f"line {line}") as caught:
        read(tmp_path, text)
    assert caught.value.code == code


# --- assets ------------------------------------------------------------------

CONTENT = b"Ada\tB-person\n"
ASSET = assets.Asset(
    "set/file.conll", "https://example.org/f", hashlib.sha256(CONTENT).hexdigest()
)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    (folder / "set").mkdir(parents=True)
    (folder / "set" / "file.conll").write_bytes(CONTENT)
    monkeypatch.setenv(assets.MIRROR_VARIABLE, str(folder))
    return folder


def test_from_a_mirror(mirror, tmp_path):
    path = assets.fetch(ASSET, tmp_path / "here")
    assert path.read_bytes() == CONTENT
    (mirror / "set" / "file.conll").unlink()
    assert assets.fetch(ASSET, tmp_path / "here") == path  # it is there already


def test_from_its_url(tmp_path, monkeypatch):
    source = tmp_path / "published"
    source.write_bytes(CONTENT)
    monkeypatch.delenv(assets.MIRROR_VARIABLE, raising=False)
    asset = assets.Asset(ASSET.name, source.as_uri(), ASSET.sha256)
    assert assets.fetch(asset, tmp_path / "here").read_bytes() == CONTENT


def test_a_changed_file_is_refused_and_not_kept(mirror, tmp_path):
    (mirror / "set" / "file.conll").write_bytes(b"something else")
    with pytest.raises(KnnNerError, match="KNN-E022"):
        assets.fetch(ASSET, tmp_path / "here")
    assert [p for p in (tmp_path / "here").rglob("*") if p.is_file()] == []


def test_a_missing_file_says_what_to_do(mirror, tmp_path):
    (mirror / "set" / "file.conll").unlink()
    with pytest.raises(KnnNerError, match=r"KNN-E023.*SPACY_KNN_NER_DATA"):
        assets.fetch(ASSET, tmp_path / "here")
