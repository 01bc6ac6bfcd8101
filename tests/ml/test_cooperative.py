"""Cooperative losses, compared with the sums that they are."""

import itertools
from collections import Counter

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.augment import create_lower_casing_augmenter
from test_contexts import pipeline
from test_crf import N_TAGS, every_sequence, log_sum, random_case
from util import SENTENCES, TOK2VEC, annotated, initialized, tagger_model

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.ml.contexts import on_docs as contexts
from spacy_knn_ner.ml.cooperative import Cooperative, as_in_code, squared_distance
from spacy_knn_ner.ml.crf import log_marginals
from spacy_knn_ner.ml.crf_head import CrfHead
from spacy_knn_ner.ml.heads import SoftmaxHead
from spacy_knn_ner.ml.two_views import find_pairs
from spacy_knn_ner.reading.training.corpus import make_corpus
from spacy_knn_ner.reading.training.view_pairs import both_views, make_batcher
from spacy_knn_ner.tags import transitions

CONTEXT = {"text": "More", "kind": "retrieved", "start": None}
HEADS = {"NerTagger": SoftmaxHead(), "CrfTagger": CrfHead()}


# --- the losses ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_log_marginals_are_those_of_every_sequence(seed):
    lengths = [1, 5, 3]
    emissions, mask, chain = random_case(seed, lengths)
    found = log_marginals(emissions, mask, chain).numpy()
    for row, length in enumerate(lengths):
        scores = every_sequence(emissions[row, :length].numpy(), chain)
        total = log_sum(scores.values())
        for i, tag in itertools.product(range(length), range(N_TAGS)):
            with_tag = [score for tags, score in scores.items() if tags[i] == tag]
            expected = log_sum(with_tag) - total
            assert found[row, i, tag] == pytest.approx(expected, abs=1e-6)


def test_gradients_of_log_marginals():
    emissions, mask, chain = random_case(0, [4, 2], invalid=0)
    parts = [emissions, chain.start, chain.step, chain.end]
    for tensor in parts:
        tensor.requires_grad_()

    def of(emissions, start, step, end):
        return log_marginals(emissions, mask, type(chain)(start, step, end))[mask]

    assert torch.autograd.gradcheck(of, parts)


def tagger(head, seed=0):
    """An initialized tagger with random transitions."""
    nlp = spacy.blank("en")
    name = f"spacy_knn_ner.{head}.v1"
    model = {**tagger_model(TOK2VEC), "@architectures": name}
    nlp.add_pipe("ner_tagger", config={"model": model})
    component = initialized(nlp).get_pipe("ner_tagger")
    if head == "CrfTagger":
        rng = np.random.default_rng(seed)
        crf = component.model.get_ref("crf")
        for param in ("start", "step", "end"):
            values = rng.normal(size=crf.get_param(param).shape)
            crf.set_param(param, values.astype("f"))
    return component


def random_scores(head, lengths, n_tags, seed):
    rng = np.random.default_rng(seed)
    scores = [rng.normal(size=(n, n_tags)) * 2 for n in lengths]
    if head == "NerTagger":
        scores = [np.exp(s) / np.exp(s).sum(axis=1, keepdims=True) for s in scores]
    return [s.astype("float32") for s in scores]


def tempered(head, component, scores, temperature):
    """Distributions with logarithms divided by T, in float64."""
    allowed = transitions(component.tag_set)
    p = HEADS[head].distribution(component.model, scores, allowed)
    powers = [np.maximum(x.astype("float64"), 1e-300) ** (1 / temperature) for x in p]
    return [x / x.sum(axis=1, keepdims=True) for x in powers]


@pytest.mark.parametrize("head", HEADS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 100),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
)
def test_divergence(head, seed, temperature, lengths):
    component = tagger(head, seed)
    n_tags, allowed = len(component.tag_set), transitions(component.tag_set)
    plain = random_scores(head, lengths, n_tags, seed)
    external = random_scores(head, lengths, n_tags, seed + 1000)
    arguments = component.model, plain, external, allowed, temperature
    found, gradients = HEADS[head].divergence(*arguments)
    expected = 0.0
    q, target = (tempered(head, component, s, temperature) for s in (plain, external))
    for p, t in zip(q, target, strict=True):
        possible = t > 1e-30
        expected += (t[possible] * np.log(t[possible] / p[possible])).sum()
    assert found == pytest.approx(temperature**2 * expected, rel=2e-3, abs=1e-4)
    half, halves = HEADS[head].divergence(*arguments, weight=0.5)
    assert half == pytest.approx(found / 2, rel=1e-5)
    for one, other in zip(gradients, halves, strict=True):
        np.testing.assert_allclose(one, 2 * other, atol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_gradient_of_the_divergence(head):
    """By small steps of what the last layer returns, before it is normalized."""
    component = tagger(head)
    n_tags, allowed = len(component.tag_set), transitions(component.tag_set)
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4, n_tags))
    external = random_scores(head, [4], n_tags, 2)

    def scores_of(x):
        if head == "NerTagger":
            x = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return [x.astype("float32")]

    def loss(x):
        return HEADS[head].divergence(
            component.model, scores_of(x), external, allowed, 2.0
        )

    _, (gradient,) = loss(logits)
    for i, tag in itertools.product(range(4), range(n_tags)):
        step = np.zeros_like(logits)
        step[i, tag] = 0.02
        numeric = (loss(logits + step)[0] - loss(logits - step)[0]) / 0.04
        assert gradient[i, tag] == pytest.approx(numeric, abs=5e-3)


@pytest.mark.parametrize("head", HEADS)
def test_equal_views_do_not_differ(head):
    component = tagger(head)
    allowed = transitions(component.tag_set)
    scores = random_scores(head, [3, 2], len(component.tag_set), 0)
    found, gradients = HEADS[head].divergence(
        component.model, scores, scores, allowed, 1.0
    )
    assert found == pytest.approx(0, abs=1e-5)
    assert max(np.abs(g).max() for g in gradients) < 1e-5
    assert squared_distance(scores, scores, False)[0] == 0


def test_squared_distance():
    rng = np.random.default_rng(0)
    plain, external = ([rng.normal(size=(n, 4)) for n in (3, 1)] for _ in range(2))
    found, gradients = squared_distance(plain, external, False)
    expected = sum(((v - w) ** 2).sum() for v, w in zip(plain, external, strict=True))
    assert found == pytest.approx(expected)
    np.testing.assert_allclose(gradients[0], 2 * (plain[0] - external[0]))
    assert squared_distance(plain, external, True)[0] == pytest.approx(expected / 4)


# --- in training ---------------------------------------------------------------------


def with_contexts(nlp, n=2):
    """Examples, of which the first n have contexts."""
    examples = []
    for i, (text, entities) in enumerate(SENTENCES):
        doc = nlp.make_doc(text)
        if i < n:
            doc._.contexts = ["Mary read a book", "They met in Paris"]
        examples.append(Example(doc, annotated(nlp.vocab, text, entities)))
    return examples


def cooperative_pipeline(head, checkpoint, **cooperative):
    """A CNN that reads contexts, with its layer in the tagger."""
    nlp = spacy.blank("en")
    name = "spacy_knn_ner.WithContexts.v1"
    tok2vec = {"@architectures": name, "encoder": TOK2VEC}
    model = {
        **tagger_model(tok2vec),
        "@architectures": f"spacy_knn_ner.{head}.v1",
    }
    block = {"@misc": "spacy_knn_ner.Cooperative.v1", **cooperative}
    nlp.add_pipe("ner_tagger", config={"model": model, "cooperative": block})
    return initialized(nlp)


def gradients_of(nlp, examples):
    """Of every weight, after one update without an optimizer."""
    loss = nlp.get_pipe("ner_tagger").update(examples)["ner_tagger"]
    found = {}
    for i, node in enumerate(nlp.get_pipe("ner_tagger").model.walk()):
        for name in node.grad_names:
            found[i, name] = np.array(node.get_grad(name))
    return loss, found


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("loss", ["kl", "l2", "both"])
def test_no_gradient_reaches_the_context_view(head, loss, tiny_bert):
    """Without likelihoods, all gradients are those of the plain view with the vectors
    and scores of the other view as constants."""
    nlp = cooperative_pipeline(head, tiny_bert, loss=loss, external_weight=0.0)
    tagger = nlp.get_pipe("ner_tagger")
    examples = [Example(e.predicted, e.predicted.copy()) for e in with_contexts(nlp, 6)]
    for example in examples:  # nothing is annotated
        example.reference.set_ents([], default="missing")
    batch = list(both_views(examples))
    total, found = gradients_of(nlp, batch)
    # The same by hand: only plain views are computed with a way back.
    other = cooperative_pipeline(head, tiny_bert, loss=loss)
    docs = [example.predicted for example in batch]
    pairs = find_pairs(docs)
    plain, external = zip(*pairs, strict=True)
    model = other.get_pipe("ner_tagger").model
    encoder, head_model = model.get_ref("tok2vec"), model.get_ref("head")
    constant = encoder.predict([docs[i] for i in external])
    targets = head_model.predict(constant)
    vectors, back_encoder = encoder.begin_update([docs[i] for i in plain])
    scores, back_head = head_model.begin_update(vectors)
    expected = 0.0
    of_scores = [np.zeros_like(s) for s in scores]
    of_vectors = [np.zeros_like(v) for v in vectors]
    if loss != "l2":
        allowed = transitions(tagger.tag_set)
        kl, of_scores = HEADS[head].divergence(model, scores, targets, allowed, 1.0)
        expected += kl
    if loss != "kl":
        l2, of_vectors = squared_distance(vectors, constant, False)
        expected += l2
    back = back_head(of_scores)
    back_encoder([a + b for a, b in zip(back, of_vectors, strict=True)])
    assert total == pytest.approx(expected, rel=1e-4)
    for i, node in enumerate(model.walk()):
        for name in node.grad_names:
            by_hand = np.array(node.get_grad(name))
            np.testing.assert_allclose(
                found.pop((i, name)), by_hand, atol=1e-3, err_msg=f"{node.name} {name}"
            )
    assert not any(np.abs(rest).max() > 1e-6 for rest in found.values())


def test_transitions_learn_from_the_plain_view_alone():
    """The gradient of T² · KL(external ‖ plain), by sums over all sequences in float64,
    where the posteriors of the external view are constants."""
    n, temperature = 3, 2.0
    component = tagger("CrfTagger")
    tags, allowed = component.tag_set, transitions(component.tag_set)
    plain, external = (random_scores("CrfTagger", [n], len(tags), i) for i in (1, 2))
    crf = component.model.get_ref("crf")
    params = {
        name: torch.tensor(crf.get_param(name), dtype=torch.float64).requires_grad_()
        for name in ("start", "step", "end")
    }
    valid = {"start": allowed.first, "step": allowed.step, "end": allowed.last}
    start, step, end = (
        params[name].masked_fill(~torch.as_tensor(valid[name]), -1e4) for name in params
    )
    sequences = torch.tensor(list(itertools.product(range(len(tags)), repeat=n)))

    def log_posteriors(scores):
        emissions = torch.tensor(scores[0], dtype=torch.float64)
        of_sequence = emissions[torch.arange(n), sequences].sum(dim=1)
        of_sequence = of_sequence + start[sequences[:, 0]] + end[sequences[:, -1]]
        of_steps = step[sequences[:, :-1], sequences[:, 1:]].sum(dim=1)
        log_p = torch.log_softmax(of_sequence + of_steps, dim=0)
        rows = [
            [log_p[sequences[:, i] == tag].logsumexp(dim=0) for tag in range(len(tags))]
            for i in range(n)
        ]
        tempered = torch.stack([torch.stack(row) for row in rows]) / temperature
        return tempered.log_softmax(dim=1)

    target = log_posteriors(external).detach()
    divergence = (target.exp() * (target - log_posteriors(plain))).sum()
    (temperature**2 * divergence).backward()
    found, _ = CrfHead().divergence(
        component.model, plain, external, allowed, temperature
    )
    assert found == pytest.approx(temperature**2 * divergence.item(), rel=1e-4)
    for name, param in params.items():
        gradient = crf.get_grad(name)
        np.testing.assert_allclose(gradient, param.grad.numpy(), atol=1e-4)
        assert np.abs(gradient).max() > 1e-2


@pytest.mark.parametrize("head", HEADS)
def test_without_contexts_training_is_as_usual(head, tiny_bert):
    nlp = cooperative_pipeline(head, tiny_bert)
    usual = cooperative_pipeline(head, tiny_bert, loss="none")
    losses = []
    for pipe in (nlp, usual):
        examples = list(both_views(with_contexts(pipe, 0)))
        assert len(examples) == len(SENTENCES)
        losses.append(gradients_of(pipe, examples)[0])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("head", HEADS)
def test_the_weight_of_the_context_view(head, tiny_bert):
    """Its likelihood counts as much as it says."""
    found = {}
    for weight in (0.0, 0.5, 1.0):
        nlp = cooperative_pipeline(head, tiny_bert, loss="none", external_weight=weight)
        examples = list(both_views(with_contexts(nlp, 3)))
        assert len(examples) == len(SENTENCES) + 3
        found[weight] = gradients_of(nlp, examples)
    assert found[0.5][0] == pytest.approx((found[0.0][0] + found[1.0][0]) / 2, rel=1e-4)
    for key, gradient in found[0.5][1].items():
        mean = (found[0.0][1][key] + found[1.0][1][key]) / 2
        np.testing.assert_allclose(gradient, mean, atol=1e-3)


@pytest.mark.parametrize("kind", ["tok2vec", "transformer", "curated_transformer"])
def test_both_views_are_learned(kind, tiny_bert):
    """With a shared encoder, of any package: two views in one batch."""
    nlp = pipeline(kind, tiny_bert, max_pieces=60)
    nlp.get_pipe("ner_tagger").cooperative = Cooperative("both")
    sgd = nlp.resume_training()
    sgd.learn_rate = 0.01
    first = last = None
    for _ in range(25):
        batch = list(both_views(with_contexts(nlp, 6)))
        last = nlp.update(batch, sgd=sgd)["ner_tagger"]
        first = first or last
    assert last < 0.3 * first
    examples = both_views(with_contexts(nlp, 6))
    scores = nlp.evaluate(list(examples))
    assert scores["ents_f"] > 0.8
    # At the end of a sentence of 5,000 tokens, with contexts and without.
    for texts in (None, ["Mary read a book"]):
        doc = nlp.make_doc("Ada Lovelace lived in London " * 1000)
        doc._.contexts = texts
        assert nlp(doc).ents[-1].end > 4990


def test_pairs_in_a_batch():
    nlp = spacy.blank("en")
    batch = list(both_views(with_contexts(nlp, 2)))
    docs = [example.predicted for example in batch]
    assert find_pairs(docs) == [(1, 0), (3, 2)]
    assert [contexts.is_plain(doc) for doc in docs[:4]] == [False, True, False, True]
    assert find_pairs([nlp.make_doc("a")]) == []
    for alone in (docs[:1], docs[1:2]):
        with pytest.raises(KnnNerError, match="KNN-E134"):
            find_pairs([*alone, *docs[2:]])


@pytest.mark.parametrize("head", HEADS)
def test_views_that_were_separated(head, tiny_bert):
    """As by accumulate_gradient: an error if there is a loss between them; otherwise
    each counts as much as with the other."""
    nlp = cooperative_pipeline(head, tiny_bert)
    examples = list(both_views(with_contexts(nlp, 1)))[:2]
    with pytest.raises(KnnNerError, match="KNN-E134"):
        nlp.get_pipe("ner_tagger").update(examples[:1])
    nlp = cooperative_pipeline(head, tiny_bert, loss="none", external_weight=0.5)
    tagger = nlp.get_pipe("ner_tagger")
    both = tagger.update(examples)["ner_tagger"]
    each = [tagger.update([example])["ner_tagger"] for example in examples]
    assert both == pytest.approx(sum(each), rel=1e-5)


def test_documents_have_two_views():
    """Unless the sentences of a Doc are not read together."""
    nlp = spacy.blank("en")
    doc = nlp.make_doc("Ada lived . Alan worked .")
    for token in doc:
        token.is_sent_start = token.i in (0, 3)
    example = Example(doc, doc.copy())
    assert len(list(both_views([example]))) == 2
    assert len(list(both_views([example], document=False))) == 1
    one_batch = make_batcher(lambda examples: iter([examples]), document=False)
    assert len(next(one_batch([example]))) == 1
    doc._.contexts = ["more"]
    assert len(list(both_views([example], document=False))) == 2
    assert not find_pairs([doc]), "the Doc itself stays as it is"


def test_unlabelled_texts_join_every_batch(tmp_path):
    nlp = spacy.blank("en")
    unlabelled = [nlp.make_doc(f"text {i}") for i in range(3)]
    for doc in unlabelled:
        doc._.contexts = ["more"]
    path = tmp_path / "unlabelled.spacy"
    DocBin(docs=unlabelled, store_user_data=True).to_disk(path)

    def by_three(examples):
        examples = list(examples)
        yield from (examples[:3], examples[3:])

    make = make_batcher(by_three, unlabelled=str(path), n_unlabelled=2)
    batches = list(make(with_contexts(nlp, 2)))
    assert [len(batch) for batch in batches] == [3 + 2 + 2 * 2, 3 + 2 * 2]
    tags = batches[0][5].get_aligned_ner()
    assert tags == [None, None]
    # The next epochs go on with the others: all of them equally often.
    batches += [b for _ in range(2) for b in make(with_contexts(nlp, 2))]
    texts = [e.predicted.text for batch in batches for e in batch]
    counts = Counter(text for text in texts if text.startswith("text"))
    assert counts == {"text 0": 8, "text 1": 8, "text 2": 8}  # 4 in both views


def test_context_views_alone():
    nlp = spacy.blank("en")
    one_batch = make_batcher(lambda examples: iter([examples]), plain=False)
    (batch,) = one_batch(with_contexts(nlp, 2))
    assert len(batch) == len(SENTENCES) and not find_pairs(
        [example.predicted for example in batch]
    )


def test_a_corpus_with_contexts(tmp_path):
    nlp = spacy.blank("en")
    doc = annotated(nlp.vocab, *SENTENCES[0])
    doc._.contexts = ["more"]
    for token in doc:
        token.is_sent_start = token.i in (0, 2)
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    (example,) = make_corpus(tmp_path / "a.spacy")(nlp)
    assert contexts.read(example.predicted) == contexts.read(doc)
    assert len(list(example.predicted.sents)) == 2
    assert not example.predicted.ents
    both = list(make_corpus(tmp_path / "a.spacy", views="both")(nlp))
    assert [contexts.is_plain(e.predicted) for e in both] == [False, True]
    with pytest.raises(KnnNerError, match="KNN-E098"):
        make_corpus(None)


def test_augmented_texts_keep_their_contexts(tmp_path):
    nlp = spacy.blank("en")
    doc = annotated(nlp.vocab, *SENTENCES[0])
    doc._.contexts = ["More", {"text": "about it", "start": 0}]
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")

    def shorter(nlp, example):
        reference = example.reference[1:].as_doc()
        yield Example(nlp.make_doc(reference.text), reference)

    lower = create_lower_casing_augmenter(1.0)
    for augmenter, kept in ((lower, contexts.read(doc)), (shorter, [CONTEXT])):
        reader = make_corpus(tmp_path / "a.spacy", views="both", augmenter=augmenter)
        one, other = reader(nlp)
        assert one.predicted.text != doc.text
        assert contexts.read(one.predicted) == kept
        assert [contexts.is_plain(e.predicted) for e in (one, other)] == [False, True]


def test_documents_keep_their_sentences(tmp_path):
    """Also where the tokenizer makes other words."""
    nlp = spacy.blank("en")
    words = ["BRUSSELS", "1996-08-22", "He", "left"]
    doc = Doc(nlp.vocab, words=words, sent_starts=[True, False, True, False])
    doc._.contexts = [{"text": "more", "start": 2}]
    assert len(nlp.make_doc(doc.text)) > len(doc)
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    examples = list(make_corpus(tmp_path / "a.spacy", views="both")(nlp))
    for example in examples:
        found = example.predicted
        assert [token.text for token in found] == words
        assert [s.start for s in found.sents] == [0, 2]
    assert len(examples) == 2
    (encoded,) = make_corpus(tmp_path / "a.spacy")(nlp)
    contexts.note_encoded(encoded.predicted)
    with pytest.raises(KnnNerError, match="KNN-E107"):
        list(both_views([encoded]))


def test_sentences_that_are_found_when_a_corpus_is_read(tmp_path):
    """So that training has the views of prediction; those that are marked stay."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    docs = [nlp.make_doc("Ada met Alan. They left."), nlp.make_doc("a b . c")]
    for token in docs[1]:
        token.is_sent_start = token.i == 1 or token.i == 0
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    reader = make_corpus(tmp_path / "a.spacy", views="both", annotate=["sentencizer"])
    found = [[s.start for s in e.predicted.sents] for e in reader(nlp)]
    assert found == [[0, 4], [0, 4], [0, 1], [0, 1]]
    examples = list(reader(nlp))
    assert [contexts.is_plain(e.predicted) for e in examples] == [False, True] * 2


def test_an_encoder_that_runs_once(tmp_path, tiny_bert):
    nlp = pipeline("transformer", tiny_bert)
    docs = [annotated(nlp.vocab, *sentence) for sentence in SENTENCES]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    examples = list(make_corpus(tmp_path / "a.spacy", encode=["transformer"])(nlp))
    for example, doc in zip(examples, docs, strict=True):
        found = example.predicted._.trf_data.model_output.last_hidden_state
        same = nlp.get_pipe("transformer")(doc.copy())._.trf_data
        np.testing.assert_allclose(
            found[:, :3], same.model_output.last_hidden_state[:, :3], atol=1e-5
        )
    with pytest.raises(KnnNerError, match="KNN-E106"):
        list(make_corpus(tmp_path / "a.spacy", encode=["tok2vec"])(nlp))


@pytest.mark.parametrize(
    "value", [{"loss": "x"}, {"temperature": 0.0}, {"weight": -1.0}]
)
def test_invalid_settings(value):
    with pytest.raises(KnnNerError, match="KNN-E097"):
        as_in_code(**value)


def test_the_values_of_the_published_code():
    assert as_in_code() == Cooperative("kl", 0.5, 0.5, 0.3, True)
