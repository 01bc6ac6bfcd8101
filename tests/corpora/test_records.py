"""What annotation tools export."""

import json

import pytest

from spacy_knn_ner.corpora.formats import read_corpus
from spacy_knn_ner.errors import KnnNerError

TEXT = "Ada lived in London"
ADA, LONDON = (0, 1, "person"), (3, 4, "place")


@pytest.fixture
def read(tmp_path):
    def read(*records, lines=False, **options):
        path = tmp_path / "export.json"
        if lines:
            text = "\n".join(json.dumps(record) for record in records)
        else:
            text = json.dumps(list(records), indent=2, ensure_ascii=False)
        path.write_text(text, encoding="utf8")
        docs, counts = read_corpus(path, **options)
        return [annotation(doc) for doc in docs], counts

    return read


def annotation(doc):
    missing = [token.i for token in doc if token.ent_iob == 0]
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents], missing


def prodigy(answer, *, view="ner_manual", spans=((0, 3, "person"),)):
    record = {"text": TEXT, "answer": answer, "_view_id": view}
    if spans is not None:
        record["spans"] = [{"start": s, "end": e, "label": x} for s, e, x in spans]
    return record


# --- Prodigy ---------------------------------------------------------------------


def test_prodigy_manual_annotation_is_complete(read):
    found, counts = read(
        prodigy("accept"),
        prodigy("accept", spans=None),
        prodigy("reject"),
        prodigy("ignore"),
        lines=True,
    )
    assert found == [([ADA], []), ([], [])]
    assert counts.skipped == 2


def test_prodigy_binary_decisions_annotate_their_spans_alone(read):
    binary = {"view": "ner"}
    found, counts = read(
        prodigy("accept", **binary),
        prodigy("reject", **binary),
        prodigy("ignore", **binary),
        lines=True,
    )
    assert found == [([ADA], [1, 2, 3]), ([], [1, 2, 3])]
    assert counts.skipped == 1


# --- Label Studio ------------------------------------------------------------------


def region(start, end, label, text=None, **others):
    value = {"start": start, "end": end, "labels": [label], **others}
    return value if text is None else {**value, "text": text}


def task(*regions, cancelled=False, data=None):
    result = [{"value": r, "to_name": "text", "type": "labels"} for r in regions]
    annotation = {"result": result, "was_cancelled": cancelled}
    return {"id": 1, "data": data or {"text": TEXT}, "annotations": [annotation]}


def test_label_studio(read):
    unlabeled = {"id": 2, "data": {"text": TEXT}, "annotations": []}
    found, counts = read(
        task(region(13, 19, "place", "London"), region(0, 3, "person", "Ada")),
        task(),
        task(cancelled=True),
        unlabeled,
    )
    assert found == [([ADA, LONDON], []), ([], [])]
    assert counts.skipped == 2


def test_label_studio_minimal(read):
    record = {"id": 1, "text": TEXT, "label": [region(0, 3, "person")]}
    assert read(record)[0] == [([ADA], [])]


def test_offsets_of_a_browser_count_an_emoji_twice(read):
    data = {"text": "😀 Ada"}
    found, _ = read(task(region(3, 6, "person", "Ada"), data=data))
    assert found == [([(1, 2, "person")], [])]


# --- others ---------------------------------------------------------------------------


def test_lists_of_spacy_2(read):
    found, _ = read([TEXT, {"entities": [[0, 3, "person"], [13, 19, "place"]]}])
    assert found == [([ADA, LONDON], [])]


def test_lists_of_doccano(read):
    for key in ("label", "labels"):
        assert read({"id": 1, "text": TEXT, key: [[0, 3, "person"]]})[0] == [
            ([ADA], [])
        ]
    entity = {"id": 5, "label": "person", "start_offset": 0, "end_offset": 3}
    assert read({"text": TEXT, "entities": [entity], "relations": []})[0][0][0] == [ADA]


def test_a_format_that_is_not_read_is_named(read):
    with pytest.raises(KnnNerError, match=r"KNN-E015.*spacy convert"):
        read({"id": 0, "paragraphs": [{"sentences": []}]})


@pytest.mark.parametrize(
    "record",
    [
        [TEXT],
        [TEXT, {"entities": [[0, 3]]}],
        {"text": TEXT},
        {"text": 5, "spans": []},
        task(region(0, 3, "person", "Eve")),
        task(data={"image": 7}),
        "Ada",
    ],
)
def test_what_cannot_be_read_is_named_with_its_number(read, record):
    with pytest.raises(KnnNerError, match=r"KNN-E020.*line 2"):
        read([TEXT, {"entities": []}], record)


# --- lines that cannot be read --------------------------------------------------

BAD = "Ada\tB-person\n\tO\nlived\tO\n\n\tB-place\nLondon\tO\textra\nParis\tB-place\n"


@pytest.mark.parametrize(
    ("how", "words", "repaired", "skipped"),
    [
        ("skip", [["Ada", "lived"], ["Paris"]], 0, 3),
        ("repair", [["Ada", "�", "lived"], ["�", "Paris"]], 2, 1),
    ],
)
def test_bad_lines(tmp_path, how, words, repaired, skipped):
    path = tmp_path / "bad.tsv"
    path.write_text(BAD, encoding="utf8")
    with pytest.raises(KnnNerError, match=r"line 2: no token"):
        read_corpus(path)
    docs, counts = read_corpus(path, bad_lines=how)
    assert [[token.text for token in doc] for doc in docs] == words
    assert (counts.repaired, counts.skipped) == (repaired, skipped)
    with pytest.raises(KnnNerError, match="KNN-E014"):
        read_corpus(path, bad_lines="ignore")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"text": "half \\ud800", "entities": []}'),
        ("b.jsonl", '{"text": "Ada", "entities": [[0, 3, "\\ud800"]]}'),
        ("c.jsonl", '{"text": "Ada", "entities": ' + "[" * 200_000),
        ("d.json", "[" * 200_000),
        ("e.json", '[["half \\ud800", {"entities": []}]]'),
    ],
)
def test_what_spacy_cannot_hold_is_an_error_with_its_line(name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(KnnNerError, match=r"KNN-E02[04].*" + name):
        read_corpus(path)
