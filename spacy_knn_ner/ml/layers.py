"""Layers on top of an encoder, for contrast to train while the encoder stays as it is.

A layer is the model of spaCy's `tok2vec` component: `token_contrast` and an
`ner_tagger` listen to it, and its output, `doc.tensor`, serves as keys.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from spacy.tokens import Doc
from thinc.api import (
    ArgsKwargs,
    LayerNorm,
    Linear,
    Model,
    PyTorchWrapper_v2,
    chain,
    torch2xp,
    with_array,
    xp2torch,
)
from thinc.types import Floats2d

from ..errors import Errors, KnnNerError
from .extras import require_torch

if TYPE_CHECKING:
    from torch import Tensor

TokenVectors = list[Floats2d]


def build_linear_layer(
    vectors: Model[list[Doc], TokenVectors], width: int = 128
) -> Model[list[Doc], TokenVectors]:
    """Build one linear map over normalized vectors, `spacy_knn_ner.LinearLayer.v1`.

    vectors (Model[list[Doc], list[Floats2d]]): Of tokens, such as a listener.
    width (int): Of the result. Default: 128.
    RETURNS (Model[list[Doc], list[Floats2d]]): Vectors of shape (n_tokens, width).
    """
    nI = vectors.get_dim("nO") if vectors.has_dim("nO") else None
    layer: Any = with_array(cast(Any, chain(LayerNorm(nI), Linear(width, nI))))
    model: Model[list[Doc], TokenVectors] = chain(vectors, layer)
    model.set_dim("nO", width, force=True)
    return model


def build_transformer_layer(
    vectors: Model[list[Doc], TokenVectors],
    input_width: int,
    width: int = 128,
    heads: int = 4,
    dropout: float = 0.1,
) -> Model[list[Doc], TokenVectors]:
    """Build one transformer layer and a linear map, in the place of the one-layer
    lattice of NerCo: `spacy_knn_ner.TransformerLayer.v1`.

    vectors (Model[list[Doc], list[Floats2d]]): Of tokens, such as a listener.
    input_width (int): Of these vectors.
    width (int): Of the result. Default: 128.
    heads (int): Of attention; they divide `input_width`. Default: 4.
    dropout (float): In training. Default: 0.1.
    RETURNS (Model[list[Doc], list[Floats2d]]): Vectors of shape (n_tokens, width).
    RAISES (KnnNerError): When it runs, if the vectors have another width.
    """
    layer = PyTorchWrapper_v2(
        _transformer(input_width, width, heads, dropout),
        convert_inputs=partial(_pad, width=input_width),
        convert_outputs=_unpad,
    )
    model: Model[list[Doc], TokenVectors] = chain(vectors, cast(Any, layer))
    model.set_dim("nO", width, force=True)
    return model


def _transformer(input_width: int, width: int, heads: int, dropout: float) -> Any:
    require_torch("spacy_knn_ner.TransformerLayer.v1")
    import torch

    class TransformerLayer(torch.nn.Module):
        """Vectors of sequences side by side, and which of them are tokens."""

        def __init__(self) -> None:
            super().__init__()
            self.attend = torch.nn.TransformerEncoderLayer(
                input_width, heads, 4 * input_width, dropout, batch_first=True
            )
            self.project = torch.nn.Linear(input_width, width)

        def forward(self, vectors: "Tensor", is_token: "Tensor") -> "Tensor":
            attended = self.attend(vectors, src_key_padding_mask=~is_token)
            return self.project(attended)

    return TransformerLayer()


def _pad(
    model: Model, X: TokenVectors, is_train: bool, *, width: int
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], TokenVectors]]:
    import torch

    # An encoder may give empty texts vectors of no width.
    for found in {x.shape[1] for x in X if len(x)} - {width}:
        raise KnnNerError(Errors.E091, found=found, expected=width)
    lengths = [len(x) for x in X]
    tensors = [xp2torch(x) for x in X]
    device = next(model.shims[0]._model.parameters()).device
    padded = torch.zeros(len(X), max(1, *lengths), width, device=device)
    _fill(padded, tensors)
    places = torch.arange(padded.shape[1], device=device)
    is_token = places < torch.tensor(lengths, device=device)[:, None]
    is_token[:, 0] = True  # attention over nothing would not be a number
    padded.requires_grad_(is_train)

    def backprop(gradients: ArgsKwargs) -> TokenVectors:
        return _split(gradients.args[0], lengths)

    return ArgsKwargs(args=(padded, is_token), kwargs={}), backprop


def _unpad(
    model: Model, inputs_outputs: tuple[TokenVectors, "Tensor"], is_train: bool
) -> tuple[TokenVectors, Callable[[TokenVectors], ArgsKwargs]]:
    import torch

    X, output = inputs_outputs

    def backprop(gradients: TokenVectors) -> ArgsKwargs:
        padded = torch.zeros_like(output)
        _fill(padded, [xp2torch(g) for g in gradients])
        return ArgsKwargs(args=((output,),), kwargs={"grad_tensors": padded})

    return _split(output, [len(x) for x in X]), backprop


def _fill(padded: "Tensor", tensors: "list[Tensor]") -> None:
    for row, tensor in zip(padded, tensors, strict=True):
        if len(tensor):
            row[: len(tensor)] = tensor


def _split(tensor: "Tensor", lengths: list[int]) -> TokenVectors:
    return [
        cast(Floats2d, torch2xp(row[:length]))
        for row, length in zip(tensor, lengths, strict=True)
    ]
