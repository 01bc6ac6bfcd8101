"""What an encoder says of views → what it says of the Docs, and gradients back.

The three kinds of outputs: arrays per token (a tok2vec), `FullTransformerBatch` of
spacy-transformers, `TransformerModelOutput` of spacy-curated-transformers. Only
this file and buckets.py know them apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc
from thinc.api import Ops, get_array_module
from thinc.types import Ragged

from .views import View


@dataclass(frozen=True)
class Inputs:
    """What the encoder reads, for each of some Docs.

    docs (list[Doc]): The Docs.
    views (list[list[View] | None]): Of each Doc; None: it is read as it is.
    texts (list[Doc]): What is read, one Doc after the other.
    """

    docs: list[Doc]
    views: list[list[View] | None]
    texts: list[Doc]

    def __iter__(self) -> Any:
        """Yield per Doc: the Doc, its views, and the numbers of its texts."""
        first = 0
        for doc, views in zip(self.docs, self.views, strict=True):
            n = 1 if views is None else len(views)
            yield doc, views, range(first, first + n)
            first += n


def cut(inputs: Inputs, output: Any, ops: Ops) -> tuple[Any, Callable[[Any], Any]]:
    """Keep the Docs' own vectors.

    inputs (Inputs): What the encoder has read.
    output (Any): What it returned, of one of the three kinds.
    ops (Ops): Of the model.
    RETURNS (tuple[Any, Callable]): The same kind for the Docs, and the way back of
        gradients, which are zero for contexts.
    """
    if isinstance(output, list):
        return _cut_arrays(inputs, output, ops)
    if hasattr(output, "all_outputs"):
        return _cut_curated(inputs, output, ops)
    return _cut_transformers(inputs, output)


def _own(view: View) -> slice:
    first = len(view.left)
    return slice(first, first + view.end - view.start)


# --- arrays per token ----------------------------------------------------------------


def _cut_arrays(
    inputs: Inputs, output: list[Any], ops: Ops
) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    result = []
    for _, views, numbers in inputs:
        if views is None:
            result.append(output[numbers[0]])
            continue
        parts = [output[i][_own(v)] for i, v in zip(numbers, views, strict=True)]
        result.append(ops.xp.concatenate(parts))

    def backprop(gradients: list[Any]) -> list[Any]:
        back = []
        for gradient, (_, views, numbers) in zip(gradients, inputs, strict=True):
            if views is None:
                back.append(gradient)
                continue
            for i, view in zip(numbers, views, strict=True):
                of_text = ops.xp.zeros_like(output[i])
                of_text[_own(view)] = gradient[view.start : view.end]
                back.append(of_text)
        return back

    return result, backprop


# --- spacy-curated-transformers ------------------------------------------------------


def _cut_curated(
    inputs: Inputs, output: Any, ops: Ops
) -> tuple[Any, Callable[[list[list[Ragged]]], list[list[Ragged]]]]:
    result: list[list[Ragged]] = []
    for _, views, numbers in inputs:
        layers = [output.all_outputs[i] for i in numbers]
        if views is None:
            result.append(layers[0])
            continue
        of_doc = []
        for of_views in zip(*layers, strict=True):
            parts = [r[_own(v)] for r, v in zip(of_views, views, strict=True)]
            data = ops.xp.concatenate([part.dataXd for part in parts])
            of_doc.append(Ragged(data, ops.xp.concatenate([p.lengths for p in parts])))
        result.append(of_doc)
    kind = type(output)

    def backprop(gradients: list[list[Ragged]]) -> list[list[Ragged]]:
        back: list[list[Ragged]] = []
        for layers, (_, views, numbers) in zip(gradients, inputs, strict=True):
            if views is None:
                back.append(layers)
                continue
            for i, view in zip(numbers, views, strict=True):
                of_text = []
                pairs = zip(layers, output.all_outputs[i], strict=True)
                for gradient, whole in pairs:
                    data = ops.xp.zeros_like(whole.dataXd)
                    ends = ops.xp.cumsum(whole.lengths)
                    own = whole.lengths[_own(view)]
                    first = int(ends[len(view.left)] - whole.lengths[len(view.left)])
                    part = gradient[view.start : view.end]
                    data[first : first + int(own.sum())] = part.dataXd
                    of_text.append(Ragged(data, whole.lengths))
                back.append(of_text)
        return back

    cut_output = kind(outputs=result, last_layer_only=output.last_layer_only)
    return cut_output, backprop


# --- spacy-transformers --------------------------------------------------------------


def _cut_transformers(inputs: Inputs, output: Any) -> tuple[Any, Callable[[Any], Any]]:
    spans, rows = [], []
    first = 0  # row of a text's first token in the alignment
    for doc, views, numbers in inputs:
        if views is None:
            of_doc = output.spans[numbers[0]]
            n = len(doc) if of_doc else 0  # rows of all its tokens
            spans.append(of_doc)
            rows += list(range(first, first + n))
            first += n
            continue
        spans.append([doc[view.start : view.end] for view in views])
        for i, view in zip(numbers, views, strict=True):
            own = _own(view)
            rows += list(range(first + own.start, first + own.stop))
            first += len(inputs.texts[i])
    align = _rows(output.align, rows)
    # Word pieces and vectors stay: those of contexts are aligned with no token.
    kind = type(output)
    result = kind(
        spans=spans,
        wordpieces=output.wordpieces,
        model_output=output.model_output,
        align=align,
    )
    return result, lambda gradient: gradient


def _rows(ragged: Ragged, rows: list[int]) -> Ragged:
    """Select rows, of which some may be empty."""
    # Not the model's: an alignment stays on the CPU.
    xp: Any = get_array_module(ragged.lengths)
    chosen_rows = xp.asarray(rows, dtype="i")
    lengths = ragged.lengths[chosen_rows]
    before_all = (xp.cumsum(ragged.lengths) - ragged.lengths)[chosen_rows]
    before_chosen = xp.cumsum(lengths) - lengths
    offsets = xp.repeat(before_all - before_chosen, lengths.tolist())
    chosen = (xp.arange(int(lengths.sum())) + offsets).astype("i")
    return Ragged(ragged.dataXd[chosen], lengths)
