"""Re-rankers: BERTScore and fuzzy match."""

import numpy as np
import pytest

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.retrieval.rerankers import bert_score
from spacy_knn_ner.retrieval.rerankers.bert_score import BertScore, make_bert_score
from spacy_knn_ner.retrieval.rerankers.fuzzy import Fuzzy


@pytest.mark.slow
@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("encoder", ["tiny_bert", "tiny_roberta"])
def test_bert_score_is_that_of_its_package(encoder, layer, request):
    tiny_bert = request.getfixturevalue(encoder)
    package = pytest.importorskip("bert_score")
    pairs = [
        ("ada lived in london", "the hotel in london"),
        ("a", "ada met alan and they read the book in the hotel by the sea"),
        ("ada met alan", "ada met alan"),
        ("the inner hinder", ""),
    ]
    theirs = package.BERTScorer(str(tiny_bert), num_layers=layer, device="cpu")
    texts, sentences = [p[1] for p in pairs], [p[0] for p in pairs]
    expected = theirs.score(texts, sentences)
    for part, values in zip(("precision", "recall", "f1"), expected, strict=True):
        for size in (1, 64):
            ours = BertScore(str(tiny_bert), layer, part, batch_size=size)
            np.testing.assert_allclose(ours.score(pairs), values, atol=1e-4)


def test_rare_pieces_count_more(tiny_bert):
    """The recall of a sentence is the more that of its rare pieces."""
    texts = ["the"] * 19 + ["z"]
    pairs = [("the z", "the a")]
    scorer = BertScore(str(tiny_bert), 1, "recall", texts)
    (found,) = scorer.score(pairs)
    encoded = scorer._encode(list(pairs[0]))
    best = (encoded["the z"][0] @ encoded["the a"][0].T).max(dim=1).values
    of_the, of_z = np.log(21 / 20), np.log(21 / 2)
    expected = (of_the * best[1] + of_z * best[2]) / (of_the + of_z)
    assert found == pytest.approx(float(expected), abs=1e-5)
    assert BertScore(str(tiny_bert), 1, "recall").score(pairs)[0] > found


def test_texts_are_encoded_once(tiny_bert):
    scorer = BertScore(str(tiny_bert))
    first = scorer.score([("ada", "alan"), ("ada", "mary")])
    _, model = scorer._loaded
    model.forward = None  # would fail
    assert scorer.score([("ada", "mary"), ("ada", "alan")]) == first[::-1]


def test_the_cache_is_small(tiny_bert, monkeypatch):
    """However many texts are scored at once, and whatever is left of the cache."""
    pairs = [("ada met alan", "the hotel" + " in" * i) for i in range(30)]
    expected = BertScore(str(tiny_bert)).score(pairs)
    monkeypatch.setattr(bert_score, "_AT_ONCE", 7)
    monkeypatch.setattr(bert_score, "_CACHED", 4000)
    scorer = BertScore(str(tiny_bert))
    for _ in range(2):
        np.testing.assert_allclose(scorer.score(pairs), expected, atol=1e-5)
        assert scorer._cached == sum(v.nbytes for v, _ in scorer._cache.values())
        assert scorer._cached <= 4000


def test_texts_for_rare_pieces(tiny_bert, tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    for name in ("empty.txt", "none.txt"):
        with pytest.raises(KnnNerError, match="KNN-E024"):
            make_bert_score(str(tiny_bert), idf_corpus=str(tmp_path / name))


def test_saving_a_re_ranker(tiny_bert, tmp_path):
    scorer = BertScore(str(tiny_bert))
    pairs = [("ada met alan", "alan met ada")]
    scorer.to_disk(tmp_path)
    other = BertScore("there is none")
    other.from_disk(tmp_path)
    assert other.score(pairs) == scorer.score(pairs)
    with pytest.raises(KnnNerError, match="KNN-E103"):
        BertScore(str(tiny_bert), part="x")


def test_fuzzy_match():
    same, near, far = Fuzzy().score([("Ada", "ada"), ("ada", "adam"), ("ada", "zzz")])
    assert same == 1 > near > far == 0
