"""Both views of a sentence in one update: the terms of CL-NER's loss beside the
likelihood."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..errors import Errors, KnnNerError
from ..tags import Transitions
from .contexts import on_docs
from .cooperative import Cooperative, squared_distance
from .heads import TagHead


class CooperativeLoss(NamedTuple):
    """The loss between the views of sentences, times its weight.

    loss (float): The sum.
    of_scores (dict[int, Floats2d]): Gradients with regard to the scores of Docs, by
        their position in the batch; see `TagHead.loss`. Context views have none.
    of_vectors (dict[int, Floats2d]): With regard to the encoder's vectors.
    """

    loss: float
    of_scores: dict[int, Any]
    of_vectors: dict[int, Any]


def find_pairs(docs: Sequence[Doc]) -> list[tuple[int, int]]:
    """Find the two views of each sentence in a batch.

    docs (Sequence[Doc]): Made by `spacy_knn_ner.batch_both_views.v1`, or any others.
    RETURNS (list[tuple[int, int]]): Positions of the plain and the context view.
    RAISES (KnnNerError): If there is one of them alone.
    """
    found: dict[int, dict[bool, int]] = defaultdict(dict)
    for i, doc in enumerate(docs):
        pair = on_docs.pair_of(doc)
        if pair is not None and len(doc):
            found[pair][on_docs.is_plain(doc)] = i
    if any(len(views) < 2 for views in found.values()):
        raise KnnNerError(Errors.E134)
    return [(views[True], views[False]) for views in found.values()]


def weights_of(docs: Sequence[Doc], cooperative: Cooperative) -> list[float]:
    """List the weights of the Docs' likelihoods."""
    return [cooperative.external_weight if _is_external(doc) else 1.0 for doc in docs]


def _is_external(doc: Doc) -> bool:
    return on_docs.pair_of(doc) is not None and not on_docs.is_plain(doc)


def cooperative_loss(
    model: Model,
    head: TagHead,
    cooperative: Cooperative,
    docs: Sequence[Doc],
    vectors: list[Floats2d],
    scores: list[Floats2d],
    allowed: Transitions,
) -> CooperativeLoss:
    """Compute the loss between the views of each sentence in a batch.

    model (Model), head (TagHead): Of a tagger.
    cooperative (Cooperative): Which loss.
    docs (Sequence[Doc]): The batch.
    vectors, scores (list[Floats2d]): What the encoder and the head return for it.
    allowed (Transitions): The valid transitions.
    RETURNS (CooperativeLoss): The loss and its gradients.
    """
    has_loss = cooperative.loss != "none" and cooperative.weight
    pairs = find_pairs(docs) if has_loss else []
    if not pairs:
        return CooperativeLoss(0.0, {}, {})
    plain, external = zip(*pairs, strict=True)
    total, weight = 0.0, cooperative.weight
    of_scores: dict[int, Any] = {}
    of_vectors: dict[int, Any] = {}
    if cooperative.of_distributions:
        loss, gradients = head.divergence(
            model,
            [scores[i] for i in plain],
            [scores[i] for i in external],
            allowed,
            cooperative.temperature,
            weight,
        )
        total += loss
        of_scores = dict(zip(plain, gradients, strict=True))
    if cooperative.of_vectors:
        loss, gradients = squared_distance(
            [vectors[i] for i in plain],
            [vectors[i] for i in external],
            cooperative.divide_by_width,
        )
        total += weight * loss
        weighted = [weight * gradient for gradient in gradients]
        of_vectors = dict(zip(plain, weighted, strict=True))
    return CooperativeLoss(total, of_scores, of_vectors)
