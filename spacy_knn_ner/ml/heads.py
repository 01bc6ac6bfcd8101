"""The tagger's model: token vectors → a distribution over tags (equation 1)."""

from typing import Any, cast

from spacy.tokens import Doc
from thinc.api import (
    Dropout,
    Gelu,
    Model,
    Softmax_v2,
    chain,
    glorot_uniform_init,
    with_array,
)
from thinc.types import Floats2d

TokenVectors = list[Floats2d]


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
    nI = tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else None
    output = softmax_layer(nO, hidden_size or nI)
    # The rate is set by [training.dropout].
    layers: list[Model[Any, Any]] = [Dropout()]
    if hidden_size:
        layers += [Gelu(hidden_size, nI), Dropout()]
    head: Model[Any, Any] = with_array(cast(Any, chain(*layers, output)))
    model: Model[list[Doc], TokenVectors] = chain(tok2vec, head)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("head", head)
    model.set_ref("output_layer", output)
    model.attrs["resize_output"] = resize_output  # what spaCy looks for
    return model


def resize_output(model: Model[Any, Any], nO: int) -> Model[Any, Any]:
    """Make room for new tags behind the known ones, which keep their weights.

    model (Model): Built by `build_ner_tagger`.
    nO (int): New number of tags, not smaller than before.
    RETURNS (Model): The same model.
    """
    output = model.get_ref("output_layer")
    if not output.has_dim("nO"):
        output.set_dim("nO", nO)
        return model
    known = output.get_dim("nO")
    larger = softmax_layer(nO, output.get_dim("nI") if output.has_dim("nI") else None)
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
    return model


def softmax_layer(nO: int | None, nI: int | None) -> Model[Floats2d, Floats2d]:
    """Build the last layer: one linear map and the softmax."""
    return Softmax_v2(nO, nI, init_W=glorot_uniform_init, normalize_outputs=True)
