"""The tagger's model: token vectors → scores of tags. What the scores mean is up to its
head: here the softmax of equation 1, in crf_head.py a CRF."""

from typing import Any, Protocol

import numpy as np
from spacy.tokens import Doc
from thinc.api import (
    Dropout,
    Gelu,
    Model,
    Softmax_v2,
    chain,
    get_array_module,
    glorot_uniform_init,
    with_array,
)
from thinc.types import Floats2d

from ..tags import MISSING, Transitions

TokenVectors = list[Floats2d]


class TagHead(Protocol):
    """What the scores of a tagger's model mean. A model has it in
    `model.attrs["tag_head"]`; without one its scores are probabilities."""

    def distribution(
        self, model: Model, scores: TokenVectors, allowed: Transitions
    ) -> TokenVectors:
        """Compute the distribution over tags of each token.

        model (Model): The tagger's.
        scores (list[Floats2d]): Its output, shape (n_tokens, n_tags) per Doc.
        allowed (Transitions): The valid transitions.
        RETURNS (list[Floats2d]): Of the same shapes.
        """

    def best_tags(
        self, model: Model, scores: TokenVectors, allowed: Transitions
    ) -> list[np.ndarray] | None:
        """Find the best sequences.

        model, scores, allowed: As for `distribution`.
        RETURNS (list[ndarray] | None): Tag ids, shape (n_tokens,) per Doc; None: those
            with the highest product of probabilities.
        """

    def loss(
        self,
        model: Model,
        scores: TokenVectors,
        gold: list[np.ndarray],
        allowed: Transitions,
        weights: list[float] | None = None,
    ) -> tuple[float, TokenVectors]:
        """Compute the negative log-likelihood, and its gradient.

        model, scores, allowed: As for `distribution`. The gradients of weights beside
            the scores are added to the model's.
        gold (list[ndarray]): Tag ids, shape (n_tokens,) per Doc; `MISSING` where there
            is no annotation.
        weights (list[float] | None): Of each Doc. Default: 1.
        RETURNS (tuple[float, list[Floats2d]]): The sum, and the gradient with regard to
            what the model's last layer returns before it is normalized.
        """

    def divergence(
        self,
        model: Model,
        scores: TokenVectors,
        targets: TokenVectors,
        allowed: Transitions,
        temperature: float,
        weight: float = 1.0,
    ) -> tuple[float, TokenVectors]:
        """Compute how far the distributions of tokens are from others, and the
        gradient: weight · T² · Σ KL(q_target ‖ q), where q are the distributions with
        their logarithms divided by T. The targets have no gradient.

        model, scores, allowed: As for `loss`.
        targets (list[Floats2d]): Other scores of the same Docs.
        temperature (float): T.
        weight (float): Default: 1.
        RETURNS (tuple[float, list[Floats2d]]): As for `loss`.
        """


class SoftmaxHead:
    """Scores are probabilities: each token has a softmax of its own."""

    def distribution(
        self, model: Model, scores: TokenVectors, allowed: Transitions
    ) -> TokenVectors:
        """Return the scores; see `TagHead.distribution`."""
        return scores

    def best_tags(
        self, model: Model, scores: TokenVectors, allowed: Transitions
    ) -> list[np.ndarray] | None:
        """Return None; see `TagHead.best_tags`."""
        return None

    def loss(
        self,
        model: Model,
        scores: TokenVectors,
        gold: list[np.ndarray],
        allowed: Transitions,
        weights: list[float] | None = None,
    ) -> tuple[float, TokenVectors]:
        """Compute cross-entropy over the annotated tokens; see `TagHead.loss`."""
        total, gradients = 0.0, []
        weights = weights or [1.0] * len(scores)
        for p, tags, weight in zip(scores, gold, weights, strict=True):
            known = np.flatnonzero(tags != MISSING)
            xp = get_array_module(p)
            gradient = xp.zeros_like(p)
            if len(known):
                rows, columns = xp.asarray(known), xp.asarray(tags[known])
                gradient[rows] = weight * p[rows]
                gradient[rows, columns] -= weight
                log_p = xp.log(xp.maximum(p[rows, columns], _LEAST))
                total -= weight * float(log_p.sum())
            gradients.append(gradient)
        return total, gradients

    def divergence(
        self,
        model: Model,
        scores: TokenVectors,
        targets: TokenVectors,
        allowed: Transitions,
        temperature: float,
        weight: float = 1.0,
    ) -> tuple[float, TokenVectors]:
        """Compute the divergence of softmax distributions; see
        `TagHead.divergence`."""
        total, gradients = 0.0, []
        for p, target in zip(scores, targets, strict=True):
            xp = get_array_module(p)
            log_q = _tempered(xp, p, temperature)
            log_target = _tempered(xp, target, temperature)
            q_target = xp.exp(log_target)
            kl = float((q_target * (log_target - log_q)).sum())
            total += weight * temperature**2 * kl
            # The gradient with regard to the logits, which are divided by T.
            gradients.append(weight * temperature * (xp.exp(log_q) - q_target))
        return total, gradients


_LEAST = 1e-12  # a probability whose logarithm is taken


def _tempered(xp: Any, p: Floats2d, temperature: float) -> Any:
    """The logarithm of a distribution whose logarithm was divided by T."""
    log_p = xp.log(xp.maximum(p, _LEAST)) / temperature
    return log_p - xp.log(xp.exp(log_p).sum(axis=1, keepdims=True))


def build_ner_tagger(
    tok2vec: Model[list[Doc], TokenVectors],
    hidden_size: int | None = None,
    nO: int | None = None,
) -> Model[list[Doc], TokenVectors]:
    """p_NER(y|x) = softmax(MLP(h)), equation 1 of kNN-NER (Wang et al. 2022).

    tok2vec (Model[list[Doc], list[Floats2d]]): Encodes the Docs: one vector per
        token. Any spaCy tok2vec or transformer sublayer, listeners included.
    hidden_size (int | None): Width of a hidden layer, as in the paper's MLP.
        None (default): dropout and one linear layer, as in its published code.
    nO (int | None): Number of tags; set when the labels are known.
    RETURNS (Model[list[Doc], list[Floats2d]]): Probabilities, one array of shape
        (n_tokens, n_tags) per Doc. References: "tok2vec", "head",
        "output_layer".
    """
    output = softmax_layer(nO, hidden_size or width_of(tok2vec))
    layers: Any = chain(*hidden_layers(tok2vec, hidden_size), output)
    head: Any = with_array(layers)
    return assemble(tok2vec, head, output, SoftmaxHead(), resize_output)


def width_of(tok2vec: Model) -> int | None:
    """Look up the width of a model's vectors, if it is known yet."""
    return tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else None


def hidden_layers(tok2vec: Model, hidden_size: int | None) -> list[Model[Any, Any]]:
    """Build what is between the vectors and the last layer.

    tok2vec (Model), hidden_size (int | None): As for `build_ner_tagger`.
    """
    # The rate is set by [training.dropout].
    layers: list[Model[Any, Any]] = [Dropout()]
    if hidden_size:
        layers += [Gelu(hidden_size, width_of(tok2vec)), Dropout()]
    return layers


def assemble(
    tok2vec: Model[list[Doc], TokenVectors],
    head: Model[Any, Any],
    output: Model[Any, Any],
    tag_head: TagHead,
    resize: Any,
) -> Model[list[Doc], TokenVectors]:
    """Build a tagger's model with the references that `ner_tagger` and spaCy look for.

    tok2vec (Model): Docs → vectors.
    head (Model): Vectors → scores.
    output (Model): The layer in the head that has a row per tag.
    tag_head (TagHead): What the scores mean.
    resize (Callable[[Model, int], Model]): Makes room for new tags.
    RETURNS (Model): Both, one after the other.
    """
    model: Model[list[Doc], TokenVectors] = chain(tok2vec, head)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("head", head)
    model.set_ref("output_layer", output)
    model.attrs["tag_head"] = tag_head
    model.attrs["resize_output"] = resize  # what spaCy looks for
    return model


def resize_output(model: Model[Any, Any], nO: int) -> Model[Any, Any]:
    """Make room for new tags behind the known ones, which keep their weights.

    model (Model): Built by `build_ner_tagger`.
    nO (int): New number of tags, not smaller than before.
    RETURNS (Model): The same model.
    """
    replace_output(model, nO, softmax_layer)
    return model


def replace_output(model: Model[Any, Any], nO: int, layer: Any) -> None:
    """Replace the last layer by a larger one.

    model (Model): A tagger's.
    nO (int): New number of tags, not smaller than before.
    layer (Callable[[int, int | None], Model]): Builds such a layer.
    """
    output = model.get_ref("output_layer")
    if not output.has_dim("nO"):
        output.set_dim("nO", nO)
        return
    known = output.get_dim("nO")
    larger = layer(nO, output.get_dim("nI") if output.has_dim("nI") else None)
    if output.has_param("W"):
        W, b = output.get_param("W"), output.get_param("b")
        new_W = output.ops.alloc2f(nO, output.get_dim("nI"))
        new_b = output.ops.alloc1f(nO)
        # Low enough that what was learned stays as it is, high enough to learn from.
        new_b += min(0.0, float(b.min())) - 10.0
        new_W[:known], new_b[:known] = W, b
        larger.set_param("W", new_W)
        larger.set_param("b", new_b)
    # A layer with weights keeps its size, so another one takes its place.
    model.replace_node(output, larger)
    for node in model.walk():
        if node.has_dim("nO") and not node.param_names and larger in node.walk():
            node.set_dim("nO", nO, force=True)


def softmax_layer(nO: int | None, nI: int | None) -> Model[Floats2d, Floats2d]:
    """Build the last layer: one linear map and the softmax."""
    return Softmax_v2(nO, nI, init_W=glorot_uniform_init, normalize_outputs=True)
