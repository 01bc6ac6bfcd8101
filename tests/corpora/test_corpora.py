"""Published formats → Docs: every one of them, with its odd points."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_knn_ner.corpora import assets
from spacy_knn_ner.corpora.formats import FORMATS, read_corpus
from spacy_knn_ner.corpora.schemes import (
    SCHEMES,
    find_scheme,
    read_tags,
    write_tags,
)
from spacy_knn_ner.errors import KnnNerError


@pytest.fixture
def read(tmp_path):
    """Text → ([(words, entities), …], counts), through a file."""

    def _read(text, format="auto", **options):
        path = tmp_path / "file.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf8"))
        docs, counts = read_corpus(path, format, **options)
        assert counts.tokens == sum(map(len, docs))
        return [(words(doc), entities(doc)) for doc in docs], counts

    return _read


def words(doc):
    return [token.text for token in doc]


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


ADA = [(["Ada", "Lovelace", "lives"], [(0, 2, "person")]), (["Hi"], [])]


# --- a token and a tag per line ----------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Ada\tB-person\nLovelace\tI-person\nlives\tO\n\nHi\tO\n",
        # WNUT-17: blank lines with a tab; no line end at the end
        "Ada\tB-person\nLovelace\tI-person\nlives\tO\n\t\n \nHi\tO",
        # runs of spaces, Windows line ends, a byte order mark, blank lines around
        "\ufeff\r\nAda  B-person\r\nLovelace I-person\r\nlives   O\r\n\r\nHi O\r\n\n",
        # columns between
        "Ada NNP x B-person\nLovelace NNP x I-person\nlives V x O\n\nHi UH x O\n",
        # other schemes
        "Ada I-person\nLovelace I-person\nlives O\n\nHi O\n",
        "Ada B-person\nLovelace L-person\nlives O\n\nHi O\n",
        "Ada B-person\nLovelace E-person\nlives O\n\nHi O\n",
    ],
)
def test_layout_and_scheme_are_found_out(read, text):
    found, counts = read(text)
    assert found == ADA
    assert (counts.sentences, counts.tokens, counts.repaired) == (2, 4, 0)
    assert counts.entities == {"person": 1}


def test_columns_can_be_given(read):
    text = "1\tB-person\tAda\n2\tO\tlives\n"
    found, _ = read(text, layout={"token": 2, "tag": 1})
    assert found == [(["Ada", "lives"], [(0, 1, "person")])]
    found, _ = read("a b O\nc d O\n", layout={"separator": "space", "token": 1})
    assert found == [(["b", "d"], [])]


def test_white_space_that_is_no_separator_stays(read):
    text = "a\u2028b\tO\nc\u00a0d\tO\n\u3000\tO\n\u200b\tO\n"
    assert read(text)[0] == [(["a\u2028b", "c\u00a0d", "\u3000", "\u200b"], [])]
    assert read("\u00a0 O\n\u3000 O\n")[0] == [(["\u00a0", "\u3000"], [])]


def test_every_token_is_annotated(tmp_path):
    path = tmp_path / "file.conll"
    path.write_text("Hi\tO\nyou\tO\n")
    (doc,), _ = read_corpus(path)
    assert doc.has_annotation("ENT_IOB", require_complete=True)


@pytest.mark.parametrize(
    ("text", "layout", "code", "line"),
    [
        ("Ada\tO\nLovelace\n", {}, "KNN-E020", 2),
        ("Ada\n", {}, "KNN-E020", 1),
        ("\tO\n", {}, "KNN-E020", 1),
        ("Ada\tNNP\tO\nLovelace\tO\n", {}, "KNN-E020", 2),
        ("Ada\tO\n", {"token": 5}, "KNN-E020", 1),
        ("Ada\tO\n\nx\tX-person\n", {"scheme": "BIO"}, "KNN-E021", 3),
        ("Ada\tB-x\nyes\tL-x\n", {"scheme": "BIO"}, "KNN-E021", 2),
        ("Ada\tB\n", {}, "KNN-E021", 1),
        ("Ada\tB-\n", {}, "KNN-E021", 1),
        ("Ada\tO-person\n", {}, "KNN-E021", 1),
        ("Ada\tO\nx\tB-creative-work,B-person\n", {}, "KNN-E021", 2),  # two tags
        ("Ada\tB-person,O\n", {}, "KNN-E021", 1),
    ],
)
def test_malformed_lines_are_named(read, text, layout, code, line):
    with pytest.raises(KnnNerError, match=rf"file\.txt, line {line}:") as caught:
        read(text, layout=layout)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("Ada X-person\n", {}, "KNN-E025"),
        ("a U-x\nb S-x\n", {}, "KNN-E025"),  # two schemes in one file
        ("Ada NNP\n", {}, "KNN-E025"),
        ("Ada O\n", {"format": "conll"}, "KNN-E027"),
        ("Ada O\n", {"layout": {"scheme": "IOB"}}, "KNN-E001"),
        ("Ada O\n", {"layout": {"separator": ","}}, "KNN-E019"),
        ("Ada O\n", {"n_sents": 0}, "KNN-E028"),
        ("\n\n", {}, "KNN-E029"),
        ("Ada O\n", {"part": slice(5, 9)}, "KNN-E029"),
        (b"Ada O\n\xff O\n", {}, "KNN-E024"),
        ("A O\rB B-X\r", {}, "KNN-E024"),  # line ends of old
        ("Ada O\n", {"lang": "qq"}, "KNN-E017"),
        ("Ada O\n", {"n_sents": -3}, "KNN-E018"),
        ("致/o\n", {"format": "msra-segments", "layout": {"tag": 1}}, "KNN-E016"),
    ],
)
def test_what_cannot_be_read_is_an_error(read, text, options, code):
    with pytest.raises(KnnNerError) as caught:
        read(text, **options)
    assert caught.value.code == code


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(KnnNerError, match=r"KNN-E024.*No such file"):
        read_corpus(tmp_path / "nowhere.conll")


# --- tag schemes and their repair --------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "tags", "spans", "repaired"),
    [
        # IOB1: B only parts touching entities of one label
        ("IOB1", "I-a I-a B-a I-b O", [(0, 2, "a"), (2, 3, "a"), (3, 4, "b")], 0),
        ("IOB1", "B-a I-a", [(0, 2, "a")], 1),
        ("BIO", "I-a I-a O I-b", [(0, 2, "a"), (3, 4, "b")], 2),
        ("BIO", "B-a I-b", [(0, 1, "a"), (1, 2, "b")], 1),
        # BMES: a sentence that begins within an entity; entities that are never closed
        ("BMES", "M-ORG E-ORG O", [(0, 2, "ORG")], 1),
        ("BMES", "B-a O B-a", [(0, 1, "a"), (2, 3, "a")], 2),
        ("BMES", "B-a M-a O", [(0, 2, "a")], 1),
        ("BILUO", "B-a U-a L-a", [(0, 1, "a"), (1, 2, "a"), (2, 3, "a")], 2),
        ("BIOES", "S-a I-a E-a", [(0, 1, "a"), (1, 3, "a")], 1),
    ],
)
def test_broken_sequences_are_read_as_conlleval_does(scheme, tags, spans, repaired):
    assert read_tags(tags.split(), scheme) == (spans, repaired)


SPANS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from("ab")), max_size=4
)


@given(gaps=SPANS, scheme=st.sampled_from(SCHEMES))
def test_what_a_scheme_writes_is_read_back_without_repair(gaps, scheme):
    spans, at = [], 0
    for gap, length, label in gaps:
        spans.append((at + gap, at + gap + length, label))
        at += gap + length
    tags = write_tags(at + 1, spans, scheme)
    assert read_tags(tags, scheme) == (spans, 0)
    found = find_scheme([tags])
    assert read_tags(tags, found) == (spans, 0) or {found, scheme} <= {"IOB1", "BIO"}


# --- documents ---------------------------------------------------------------

TWO_DOCUMENTS = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O

Peter NNP I-NP I-PER

-DOCSTART- -X- -X- O

LONDON NNP I-NP I-LOC
"""


def test_conll2003_has_documents(tmp_path, read):
    found, counts = read(TWO_DOCUMENTS, "conll2003")
    assert [w for w, _ in found] == [["EU", "rejects"], ["Peter"], ["LONDON"]]
    assert (counts.documents, counts.sentences) == (2, 3)
    assert counts.entities == {"LOC": 1, "ORG": 1, "PER": 1}
    docs, _ = read_corpus(tmp_path / "file.txt", "conll2003")
    assert [d.user_data["document"] for d in docs] == [
        "file.txt:1",
        "file.txt:1",
        "file.txt:2",
    ]


@pytest.mark.parametrize(
    ("n_sents", "expected"),
    [(0, [["EU", "rejects", "Peter"], ["LONDON"]]), (5, None), (2, None)],
)
def test_sentences_are_grouped_within_documents(tmp_path, n_sents, expected):
    path = tmp_path / "file.txt"
    path.write_text(TWO_DOCUMENTS)
    docs, counts = read_corpus(path, "conll2003", n_sents=n_sents)
    assert [words(doc) for doc in docs] == (
        expected or [["EU", "rejects", "Peter"], ["LONDON"]]
    )
    assert [token.i for token in docs[0] if token.is_sent_start] == [0, 2]
    assert entities(docs[0]) == [(0, 1, "ORG"), (2, 3, "PER")]
    assert counts.sentences == 3


def test_sentences_are_grouped_without_documents(read):
    text = "a O\n\nb O\n\nc O\n"
    assert [w for w, _ in read(text, n_sents=2)[0]] == [["a", "b"], ["c"]]
    assert [w for w, _ in read(text, part=slice(1, None))[0]] == [["b"], ["c"]]


# --- formats of their own ----------------------------------------------------


def test_weibo_characters_have_positions(read):
    text = "科0\tO\n技1\tO\np10\tB-PER.NAM\n310\tI-PER.NAM\n"
    text += "\ufffd0\tO\n\ufffd\ufffd0\tO\n\n\ue4120\tI-PER.NOM\n"
    found, counts = read(text, "weibo")
    assert found[0][0] == ["科", "技", "p", "3", "\ufffd", "\ufffd\ufffd"]
    assert found[0][1] == [(2, 4, "PER.NAM")]
    assert found[1] == (["\ue412"], [(0, 1, "PER.NOM")])
    assert (counts.repaired, counts.repaired_sentences) == (1, 1)
    with pytest.raises(KnnNerError, match="line 1"):
        read("科\tO\n", "weibo")


def test_resume_is_bmes_and_unspaced(tmp_path):
    path = tmp_path / "x"
    path.write_text("高 B-NAME\n勇 E-NAME\n： O\n男 S-X\n", encoding="utf8")
    (doc,), counts = read_corpus(path, "resume")
    assert doc.text == "高勇：男"
    assert entities(doc) == [(0, 2, "NAME"), (3, 4, "X")]
    assert counts.scheme == "BMES"


def test_msra_as_characters_and_as_segments(read):
    text = "当\tO\n希\tB-LOC\n望\tI-LOC\n"
    assert read(text, "msra")[0] == [(["当", "希", "望"], [(1, 3, "LOC")])]
    segments = "中共/nt 致/o \r\n邓小平/nr 在/o 1/2/o 京/ns\r\n\r\n"
    found, counts = read(segments, "msra-segments")
    assert found == [
        (["中", "共", "致"], [(0, 2, "ORG")]),
        (["邓", "小", "平", "在", "1", "/", "2", "京"], [(0, 3, "PER"), (7, 8, "LOC")]),
    ]
    assert counts.entities == {"LOC": 1, "ORG": 1, "PER": 1}
    with pytest.raises(KnnNerError, match=r"line 2.*中/x"):
        read("致/o\n中/x\n", "msra-segments")


ONTONOTES = """#begin document (nw/wsj_1); part 000
nw/wsj_1 0 0 Time  NNP (TOP* - - - - (ORG* (0
nw/wsj_1 0 1 Warner NNP *    - - - - *)    0)
nw/wsj_1 0 2 in    IN  *     - - - - *     -

nw/wsj_1 0 0 Utah  NNP *     - - - - (GPE) -

#end document
#begin document (nw/wsj_2); part 000
nw/wsj_2 0 0 Hi    UH  *     - - - - *     -
#end document
"""


@pytest.mark.parametrize("format", ["ontonotes5", "conll2012", "auto"])
def test_ontonotes_in_brackets(read, format):
    found, counts = read(ONTONOTES, format)
    assert found == [
        (["Time", "Warner", "in"], [(0, 2, "ORG")]),
        (["Utah"], [(0, 1, "GPE")]),
        (["Hi"], []),
    ]
    assert counts.documents == 2


def test_ontonotes_in_columns(read):
    text = "Time B-ORG\nWarner I-ORG\n"
    assert read(text, "ontonotes5")[0] == [(["Time", "Warner"], [(0, 2, "ORG")])]


def test_chinese_ontonotes_in_characters(read):
    text = ONTONOTES.replace("Warner", "华纳").replace("Time", "时代")
    found, _ = read(text, "ontonotes4")
    assert found[0] == (["时", "代", "华", "纳", "i", "n"], [(0, 4, "ORG")])


def test_every_format_can_be_split_into_characters(read):
    text = "中国 B-LOC\n人 O\n"
    expected = [(["中", "国", "人"], [(0, 2, "LOC")])]
    assert read(text, "ontonotes4")[0] == expected
    found, _ = read("Ada B-person\n", characters=True)
    assert found == [(["A", "d", "a"], [(0, 3, "person")])]
    found, _ = read(
        json_lines({"text": "ab c", "label": [[0, 2, "x"]]}), characters=True
    )
    assert found == [(["a", "b", "c"], [(0, 2, "x")])]


def test_odd_spaces_are_words_in_ontonotes_too(read):
    found, _ = read(ONTONOTES.replace("Utah ", "\u3000 "), "ontonotes5")
    assert found[1] == (["\u3000"], [(0, 1, "GPE")])


@pytest.mark.parametrize("lang", ["ja", "th"])
def test_a_token_per_line_needs_no_tokenizer(tmp_path, lang):
    (tmp_path / "x").write_text("東 B-LOC\n京 I-LOC\n")
    (doc,), _ = read_corpus(tmp_path / "x", lang=lang)
    assert doc.text == "東京"


@pytest.mark.parametrize(
    ("old", "new"),
    [("*)  ", "*   "), ("(ORG*", "*    "), ("(GPE)", "B-GPE"), (" (GPE) -", "")],
)
def test_broken_brackets_are_errors(read, old, new):
    assert old in ONTONOTES
    with pytest.raises(KnnNerError, match=r"KNN-E020.*line [2-6]:"):
        read(ONTONOTES.replace(old, new), "ontonotes5")


def json_lines(*records):
    return "\n".join(json.dumps(record) for record in records) + "\n"


@pytest.mark.parametrize(
    "spans",
    [
        {"label": [[0, 12, "person"], [22, 28, "place"]]},  # Doccano
        {"labels": [[22, 28, "place"], [0, 12, "person"]]},
        {
            "spans": [  # Prodigy
                {"start": 0, "end": 12, "label": "person"},
                {"start": 22, "end": 28, "label": "place"},
            ]
        },
        {
            "entities": [  # Doccano's newer export
                {"id": 1, "start_offset": 0, "end_offset": 12, "label": "person"},
                {"id": 2, "start_offset": 22, "end_offset": 28, "label": "place"},
            ]
        },
    ],
)
def test_json_lines_with_offsets(read, spans):
    found, counts = read(json_lines({"text": "Ada Lovelace lived in London.", **spans}))
    assert found == [
        (
            ["Ada", "Lovelace", "lived", "in", "London", "."],
            [(0, 2, "person"), (4, 5, "place")],
        )
    ]
    assert (counts.documents, counts.repaired) == (1, 0)


def test_json_lines_that_do_not_fit_tokens_are_repaired(read):
    text = "Ada Lovelace lived in London."
    spans = [[0, 13, "person"], [24, 27, "place"]]  # a space too much; "ndo"
    found, counts = read(
        json_lines(*({"text": t, "label": s} for t, s in [(text, spans), ("Hi", [])]))
    )
    assert found[0][1] == [(0, 2, "person"), (4, 5, "place")]
    assert (counts.repaired, counts.repaired_sentences, counts.sentences) == (2, 1, 2)


def test_spans_are_found_where_they_are(read):
    record = {"text": "Ada", "spans": [], "label": [[0, 3, "person"]], "entities": None}
    assert read(json_lines(record))[0] == [(["Ada"], [(0, 1, "person")])]


def test_a_record_is_not_said_to_be_one_sentence(tmp_path):
    (tmp_path / "x").write_text(json_lines({"text": "One. Two.", "label": []}))
    (doc,), _ = read_corpus(tmp_path / "x")
    assert not doc.has_annotation("SENT_START")


def test_rejected_records_are_counted(read):
    records = [
        {"text": "a b", "spans": [], "answer": "accept"},
        {"text": "a b", "spans": [], "answer": "reject"},
        {"answer": "ignore"},
    ]
    _, counts = read(json_lines(*records), "jsonl")
    assert (counts.sentences, counts.skipped) == (1, 2)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "KNN-E020"),
        ("[1]", "KNN-E020"),
        ('{"label": []}', "KNN-E020"),
        ('{"text": 3, "label": []}', "KNN-E020"),
        ('{"text": "", "label": []}', "KNN-E020"),
        ('{"text": "ab"}', "KNN-E020"),
        ('{"text": "ab", "annotations": [[0, 2, "x"]]}', "KNN-E020"),
        ('{"text": "ab", "label": [[0, 1, "x"]], "spans": [[0, 2, "x"]]}', "KNN-E020"),
        ('{"text": "ab", "label": [[false, true, "x"]]}', "KNN-E020"),
        ('{"text": "ab", "label": [[0, 1]]}', "KNN-E020"),
        ('{"text": "ab", "spans": [{"start": 0, "label": "x"}]}', "KNN-E020"),
        ('{"text": "ab", "label": [[0, 9, "x"]]}', "KNN-E020"),
        ('{"text": "a  b", "label": [[1, 3, "x"]]}', "KNN-E020"),
        ('{"text": "ab c", "label": [[0, 2, "x"], [1, 4, "y"]]}', "KNN-E026"),
    ],
)
def test_malformed_records_are_named(read, line, code):
    with pytest.raises(KnnNerError, match="line 2") as caught:
        read('{"text": "fine", "label": []}\n' + line + "\n", "jsonl")
    assert caught.value.code == code


# --- the published files themselves ------------------------------------------

# format, file, documents, sentences, tokens, entities (MSRA: more than its B tags, by
# the entities that its cutting split)
PUBLISHED = [
    ("weibo", "weibo/weiboNER_2nd_conll.train", 0, 1350, 73778, 1895),
    ("weibo", "weibo/weiboNER_2nd_conll.dev", 0, 270, 14509, 389),
    ("weibo", "weibo/weiboNER_2nd_conll.test", 0, 270, 14842, 418),
    ("msra", "msra/train_data", 0, 50658, 2169879, 74703 + 6),
    ("msra", "msra/test_data", 0, 4631, 172601, 6181 + 11),
    ("msra-segments", "msra/testright1.txt", 0, 4365, 172601, 6181),
    ("msra", "msra/msra_test_bio", 0, 3442, 172601, 6190),
    ("resume", "resume/train.char.bmes", 0, 3821, 124099, 13440),
    ("resume", "resume/dev.char.bmes", 0, 463, 13890, 1497),
    ("resume", "resume/test.char.bmes", 0, 477, 15100, 1630),
    ("conll2003", "conll2003/eng.train", 946, 14041, 203621, 23499),
    ("conll2003", "conll2003/eng.testa", 216, 3250, 51362, 5942),
    ("conll2003", "conll2003/eng.testb", 231, 3453, 46435, 5648),
    ("conllpp", "conllpp/conllpp_train.txt", 946, 14041, 203621, 23499),
    ("conllpp", "conllpp/conllpp_dev.txt", 216, 3250, 51362, 5942),
    ("conllpp", "conllpp/conllpp_test.txt", 231, 3453, 46435, 5702),
    ("wnut17", "wnut17/wnut17train.conll", 0, 3394, 62730, 1975),
    ("wnut17", "wnut17/emerging.dev.conll", 0, 1009, 15733, 836),
    ("wnut17", "wnut17/emerging.test.annotated", 0, 1287, 23394, 1079),
    ("ncbi", "ncbi-disease/train.tsv", 0, 5424, 135701, 5134),
    ("ncbi", "ncbi-disease/devel.tsv", 0, 923, 23969, 787),
    ("ncbi", "ncbi-disease/test.tsv", 0, 940, 24497, 960),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "name", "documents", "sentences", "tokens", "n"), PUBLISHED
)
def test_counts_of_the_published_files(format, name, documents, sentences, tokens, n):
    mirror = os.environ.get(assets.MIRROR_VARIABLE)
    if not mirror or not (Path(mirror) / name).exists():
        pytest.skip(f"{assets.MIRROR_VARIABLE} names no folder with {name}")
    docs, counts = read_corpus(Path(mirror) / name, format)
    found = (counts.documents, counts.sentences, counts.tokens)
    assert found == (documents, sentences, tokens)
    assert sum(counts.entities.values()) == n
    assert sum(len(doc.ents) for doc in docs) == n


@pytest.mark.slow
@pytest.mark.parametrize(("part", "other"), [("train", "train"), ("dev", "testa")])
def test_conllpp_is_conll2003_but_for_its_test_part(part, other):
    """So its workflow tests the model of CoNLL-2003."""
    mirror = os.environ.get(assets.MIRROR_VARIABLE)
    if not mirror or not (Path(mirror) / "conllpp").exists():
        pytest.skip(f"{assets.MIRROR_VARIABLE} names no folder with conllpp")
    one, _ = read_corpus(Path(mirror) / f"conllpp/conllpp_{part}.txt", "conllpp")
    two, _ = read_corpus(Path(mirror) / f"conll2003/eng.{other}", "conll2003")
    assert [(words(d), entities(d)) for d in one] == [
        (words(d), entities(d)) for d in two
    ]


def test_every_format_says_how_it_is_read():
    kinds = {"auto", "tokens", "json", "jsonl", "conll2012", "segments"}
    assert {format.kind for format in FORMATS.values()} == kinds


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
