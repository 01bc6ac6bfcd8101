"""Texts of similar length are encoded together: a sentence that is read next to long
views would be padded to their length, and cost as much."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, get_array_module
from thinc.backends import get_array_ops
from thinc.types import Ragged

_MOST = 8192  # word pieces in a bucket, padding included
_RATIO = 1.5  # of the longest to the shortest

Backprop = Callable[[Any], Any]


def make_buckets(lengths: Sequence[int]) -> list[list[int]]:
    """Group texts by length.

    lengths (Sequence[int]): In word pieces. Empty texts go with the shortest others,
        because encoders cannot read them alone.
    RETURNS (list[list[int]]): The numbers of the texts of each group.
    """
    least = min((n for n in lengths if n), default=1)
    buckets: list[list[int]] = []
    shortest = 0
    for i in np.argsort(lengths, kind="stable").tolist():
        n = max(least, lengths[i])
        full = buckets and n * (len(buckets[-1]) + 1) > _MOST
        if not buckets or full or n > _RATIO * shortest + 8:
            buckets.append([])
            shortest = n
        buckets[-1].append(i)
    return buckets


def encode(
    encoder: Model, texts: list[Doc], lengths: Sequence[int], is_train: bool
) -> tuple[Any, Backprop]:
    """Apply an encoder to texts, in buckets.

    encoder (Model): Docs → an output of one of the kinds of outputs.py.
    texts (list[Doc]): The texts.
    lengths (Sequence[int]): In word pieces.
    is_train (bool): Whether gradients will come back.
    RETURNS (tuple[Any, Callable]): The output for all texts in their order, and the
        way back.
    """
    buckets = make_buckets(lengths)
    if len(buckets) < 2:
        return encoder(texts, is_train)
    results = [encoder([texts[i] for i in bucket], is_train) for bucket in buckets]
    outputs, backprops = zip(*results, strict=True)
    if isinstance(outputs[0], list):
        merged: Any = _in_order(buckets, outputs)
        split: Any = _by_text
    elif hasattr(outputs[0], "all_outputs"):
        layers = _in_order(buckets, [output.all_outputs for output in outputs])
        only_last = outputs[0].last_layer_only
        merged = type(outputs[0])(outputs=layers, last_layer_only=only_last)
        split = _by_text
    else:
        merged, split = _merge_transformers(buckets, outputs)

    def backprop(gradient: Any) -> Any:
        pairs = zip(backprops, split(buckets, gradient), strict=True)
        return [back(part) for back, part in pairs]

    return merged, backprop


def _in_order(buckets: list[list[int]], values: Sequence[Sequence[Any]]) -> list[Any]:
    """What there is of each text, in the order of the texts."""
    result: list[Any] = [None] * sum(map(len, buckets))
    for bucket, of_bucket in zip(buckets, values, strict=True):
        for i, value in zip(bucket, of_bucket, strict=True):
            result[i] = value
    return result


def _by_text(buckets: list[list[int]], gradient: Sequence[Any]) -> list[list[Any]]:
    return [[gradient[i] for i in bucket] for bucket in buckets]


# --- spacy-transformers: padded to one length again -----------------------------------


def _merge_transformers(
    buckets: list[list[int]], outputs: Sequence[Any]
) -> tuple[Any, Callable[[list[list[int]], Any], list[Any]]]:
    first = outputs[0]
    spans = _in_order(buckets, [output.spans for output in outputs])
    n_spans = [len(of_text) for of_text in spans]
    starts = np.cumsum([0, *n_spans])
    # The rows of each bucket among all spans.
    rows = [
        np.concatenate([np.arange(starts[i], starts[i + 1]) for i in bucket])
        for bucket in buckets
    ]
    widths = [output.wordpieces.input_ids.shape[1] for output in outputs]
    width = max(widths)
    merged = type(first)(
        spans=spans,
        wordpieces=_merge_pieces([o.wordpieces for o in outputs], rows, width),
        model_output=_merge_tensors([o.model_output for o in outputs], rows, width),
        align=_merge_align(buckets, outputs, rows, widths, width),
    )

    def split(_: Any, gradient: Any) -> list[Any]:
        parts = []
        for output, of_bucket, own in zip(outputs, rows, widths, strict=True):
            tensors = type(gradient.model_output)()
            for name, tensor in gradient.model_output.items():
                tensors[name] = tensor[of_bucket.tolist(), :own]
            parts.append(
                type(first)(
                    spans=output.spans,
                    wordpieces=output.wordpieces,
                    model_output=tensors,
                    align=output.align,
                )
            )
        return parts

    return merged, split


def _merge_pieces(pieces: Sequence[Any], rows: list[np.ndarray], width: int) -> Any:
    def padded(name: str) -> Any:
        arrays = [getattr(of_bucket, name) for of_bucket in pieces]
        if arrays[0] is None:
            return None
        whole = np.zeros((sum(map(len, rows)), width), dtype=arrays[0].dtype)
        for array, of_bucket in zip(arrays, rows, strict=True):
            whole[of_bucket, : array.shape[1]] = array
        return whole

    strings: list[list[str]] = [[] for _ in range(sum(map(len, rows)))]
    lengths = [0] * len(strings)
    for part, of_bucket in zip(pieces, rows, strict=True):
        for row, words, n in zip(of_bucket, part.strings, part.lengths, strict=True):
            strings[row] = [*words, *[""] * (width - len(words))]
            lengths[row] = n
    return type(pieces[0])(
        strings=strings,
        input_ids=padded("input_ids"),
        attention_mask=padded("attention_mask"),
        lengths=lengths,
        token_type_ids=padded("token_type_ids"),
    )


def _merge_tensors(parts: Sequence[Any], rows: list[np.ndarray], width: int) -> Any:
    """Vectors of word pieces, of one layer or of several. Anything else, such as
    attention, is not for components behind."""
    from transformers.utils import ModelOutput

    result = ModelOutput()
    names = ("last_hidden_state", "hidden_states")
    for name in names:
        values = [part.get(name) for part in parts]
        if values[0] is None:
            continue
        if isinstance(values[0], tuple):
            layers = zip(*values, strict=True)
            result[name] = tuple(_padded(layer, rows, width) for layer in layers)
        else:
            result[name] = _padded(values, rows, width)
    return result


def _padded(tensors: Sequence[Any], rows: list[np.ndarray], width: int) -> Any:
    first = tensors[0]
    whole = first.new_zeros(sum(map(len, rows)), width, first.shape[2])
    for tensor, of_bucket in zip(tensors, rows, strict=True):
        whole[of_bucket.tolist(), : tensor.shape[1]] = tensor.detach()
    return whole


def _merge_align(
    buckets: list[list[int]],
    outputs: Sequence[Any],
    rows: list[np.ndarray],
    widths: list[int],
    width: int,
) -> Ragged:
    """Word pieces are counted through all spans, padding included."""
    pieces: list[list[Any]] = []
    for bucket, output, of_bucket, own in zip(
        buckets, outputs, rows, widths, strict=True
    ):
        align = output.align
        data = _numpy(align.dataXd).ravel()
        data = of_bucket[data // own] * width + data % own
        ends = np.cumsum(_numpy(align.lengths))
        tokens = np.split(data, ends[:-1]) if len(ends) else []
        first = 0
        of_texts: list[Any] = []
        for i in range(len(bucket)):
            of_text = output.spans[i]
            n = len(of_text[0].doc) if of_text else 0
            of_texts.append(tokens[first : first + n])
            first += n
        pieces.append(of_texts)
    tokens = [token for text in _in_order(buckets, pieces) for token in text]
    like = outputs[0].align.dataXd
    lengths = np.array([len(token) for token in tokens], dtype="i")
    data = np.concatenate([*tokens, np.zeros(0)]).astype("i")
    xp: Any = get_array_module(like)
    shape = (-1, *like.shape[1:])
    return Ragged(xp.asarray(data.reshape(shape)), xp.asarray(lengths))


def _numpy(array: Any) -> np.ndarray:
    return get_array_ops(array).to_numpy(array)
