"""A layer around an encoder: each sentence is read together with its contexts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from spacy.tokens import Doc
from thinc.api import Model

from ...errors import Errors, KnnNerError
from . import on_docs
from .buckets import encode
from .outputs import Inputs, cut
from .pieces import PieceCounter
from .views import View, ViewSettings, make_views, own_words, sentences_of

WITH_CONTEXTS = "spacy_knn_ner.WithContexts.v1"
VIEWS = ("auto", "plain", "context")
_IS_VIEW = "spacy_knn_ner_view"  # in doc.user_data


def build_with_contexts(
    encoder: Model[list[Doc], Any],
    view: Literal["auto", "plain", "context"] = "auto",
    document: bool = True,
    max_pieces: int = 256,
    own_pieces: int = 64,
) -> Model[list[Doc], Any]:
    """Build a layer that reads sentences together with their contexts, and keeps the
    vectors of the sentences: `spacy_knn_ner.WithContexts.v1`.

    encoder (Model): The model of a `transformer`, a `curated_transformer` or a
        `tok2vec`, or any other tok2vec.
    view (str): `"auto"` (default): contexts where a Doc has some; `"plain"`: none, so
        that each of its sentences is read alone; `"context"`: as `"auto"`, and a Doc
        for which no component has searched for contexts is an error.
    document (bool): Whether the sentences around, in the same Doc, are context.
        Default: True.
    max_pieces (int): Word pieces that are read at once. Default: 256.
    own_pieces (int): Sentences next to each other are read as one while they have at
        most this many word pieces: fewer are more context for each, and more to
        compute. Default: 64.
    RETURNS (Model): What `encoder` returns, for the Docs alone.
    RAISES (KnnNerError): For an invalid setting.
    """
    if view not in VIEWS:
        raise KnnNerError(Errors.E094, value=view)
    for name, value in (("max_pieces", max_pieces), ("own_pieces", own_pieces)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise KnnNerError(Errors.E095, name=name, value=value)
    settings = ViewSettings(max_pieces, own_pieces, document)
    model: Model = Model(
        "with_contexts",
        _forward,
        init=_init,
        layers=[encoder],
        dims={"nO": None},
        refs={name: encoder.get_ref(name) for name in encoder.ref_names},
        attrs={
            # An object: Thinc would save a plain value with the weights, and take it
            # for that of the config when they are loaded.
            "reading": _Reading(view, settings, {})
        },
    )
    for attr in ("replace_listener", "replace_listener_cfg"):
        if attr in encoder.attrs:
            model.attrs[attr] = _refuse_to_replace
    for node in encoder.walk():
        if "get_spans" in node.attrs:  # spacy-transformers: a view is one span
            node.attrs["get_spans"] = _WholeViews(node.attrs["get_spans"])
    _share_width(model)
    return model


def set_view(encoder: Model, view: str) -> int:
    """Choose what an encoder reads from now on.

    encoder (Model): A model with such a layer in it.
    view (str): See `build_with_contexts`.
    RETURNS (int): How many layers there are.
    RAISES (KnnNerError): For another view.
    """
    if view not in VIEWS:
        raise KnnNerError(Errors.E094, value=view)
    layers = _layers(encoder)
    for layer in layers:
        layer.attrs["reading"].view = view
    return len(layers)


def views_of(encoder: Model) -> list[str]:
    """List the views that an encoder reads: one for each such layer in it.

    encoder (Model): Any model.
    """
    return [layer.attrs["reading"].view for layer in _layers(encoder)]


def _layers(encoder: Model) -> list[Model]:
    return [node for node in encoder.walk() if node.name == "with_contexts"]


@dataclass
class _Reading:
    """What a layer does.

    view (str): As for `build_with_contexts`.
    settings (ViewSettings): How much is read at once.
    counts (dict[str, int]): Of word pieces, by word.
    """

    view: str
    settings: ViewSettings
    counts: dict[str, int]


def _refuse_to_replace(*args: Any) -> None:
    raise KnnNerError(Errors.E108)


class _WholeViews:
    """A span getter: a view is one span, and another Doc has those of another
    getter."""

    def __init__(self, others: Callable[[list[Doc]], list[Any]]) -> None:
        self.others = others

    def __call__(self, docs: list[Doc]) -> list[Any]:
        return [
            [doc[:]] if doc.user_data.get(_IS_VIEW) else self.others([doc])[0]
            for doc in docs
        ]


def _share_width(model: Model) -> None:
    encoder = model.layers[0]
    if encoder.has_dim("nO") and not model.has_dim("nO"):
        model.set_dim("nO", encoder.get_dim("nO"))


def _init(model: Model, X: Any = None, Y: Any = None) -> None:
    model.layers[0].initialize(X, Y)
    _share_width(model)


def _forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    encoder, docs = model.layers[0], list(docs)
    views = [_views(model, doc) for doc in docs]
    if all(of_doc is None for of_doc in views):
        return encoder(docs, is_train)
    texts = []
    for doc, of_doc in zip(docs, views, strict=True):
        texts += [doc] if of_doc is None else [_text(doc, view) for view in of_doc]
    inputs = Inputs(docs, views, texts)
    counter = PieceCounter(encoder, model.attrs["reading"].counts)
    lengths = [int(counter.count(own_words(text).words).sum()) for text in texts]
    output, backprop_encoder = encode(encoder, texts, lengths, is_train)
    result, backprop_cut = cut(inputs, output, model.ops)

    def backprop(gradient: Any) -> Any:
        backprop_encoder(backprop_cut(gradient))
        return []

    return result, backprop


def _views(model: Model, doc: Doc) -> list[View] | None:
    """The views of a Doc; None if it is read as it is."""
    reading: _Reading = model.attrs["reading"]
    if len(doc) == 0:
        return None
    sentences = sentences_of(doc)
    settings = reading.settings
    contexts = on_docs.read(doc)
    has_some = contexts or (settings.document and len(sentences) > 1)
    in_document = settings.document and doc.has_annotation("SENT_START")
    if reading.view == "context" and contexts is None and not in_document:
        raise KnnNerError(Errors.E096, text=doc.text[:60])
    is_plain = reading.view == "plain" or on_docs.is_plain(doc) or not has_some
    if is_plain and len(sentences) == 1:
        return None
    counter = PieceCounter(model.layers[0], reading.counts)
    limit = counter.limit
    if limit is not None and limit < settings.max_pieces:
        settings = replace(settings, max_pieces=limit)
    if is_plain:  # each sentence alone
        settings = replace(settings, document=False, own_pieces=0)
    return make_views(doc, [] if is_plain else contexts or [], counter, settings)


def _text(doc: Doc, view: View) -> Doc:
    """What is read: a Doc of the words of a view."""
    left = view.left.spaced()
    own = own_words(doc[view.start : view.end])
    words = left + (own.spaced() if view.right else own) + view.right
    text = Doc(doc.vocab, words=words.words, spaces=words.spaces)
    for token in doc[view.start : view.end]:
        if token.norm != token.lex.norm:  # of the tokenizer: "not" for "n't"
            text[len(left) + token.i - view.start].norm_ = token.norm_
    text.user_data[_IS_VIEW] = True
    return text
