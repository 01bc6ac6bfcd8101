"""The key encoder: annotated texts → keys, by the components in front of a
`knn_ner`."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..datastore.datastore import Datastore
from ..errors import Errors, KnnNerError
from ..ml.contexts import on_docs
from ..ml.contexts.layer import views_of
from ..ml.projection import project
from ..settings import KeySettings
from ..types import AnnotatedText, TokenKeys
from . import tagger_output
from .annotations import make_doc
from .find_encoder import (
    Encoder,
    components_before,
    find_encoder,
    token_vectors,
)
from .fingerprint import Fingerprint, difference, fingerprint, training_state
from .vectors import LEFT_ON_DOCS, has_vectors, keys_of, read_keys


def scheme_of(docs: list[Doc], default: str) -> str:
    """Look up the tag scheme of the tagger that Docs have been through.

    docs (list[Doc]): After the components in front.
    default (str): Without an `ner_tagger`.
    """
    values = [tagger_output.read(doc) for doc in docs]
    return next((value["scheme"] for value in values if value is not None), default)


def successful_search(nlp: Language, name: str) -> dict[str, Any]:
    """Give the options for `pipe` of a component with which a failed search for
    contexts is an error.

    nlp (Language), name (str): The pipeline and the component.
    RETURNS (dict[str, Any]): Empty for others than a `context_retriever`.
    """
    is_retriever = nlp.get_pipe_meta(name).factory == "context_retriever"
    return {"must_succeed": True} if is_retriever else {}


class KeyEncoder:
    """Encodes texts as the pipeline would, and checks whether a datastore's keys were
    made in the same way."""

    def __init__(
        self, nlp: Language, component: Any, name: str, settings: KeySettings
    ) -> None:
        """nlp (Language): The pipeline.
        component (Any): One of its components; those before it encode.
        name (str): The component, for messages.
        settings (KeySettings): Which vectors are keys.

        `projection` (ndarray | None) is what a datastore was built with; see
        ml/projection.py.
        """
        self.nlp, self.component, self.name = nlp, component, name
        self.settings = settings
        self.projection: np.ndarray | None = None
        self._checked: tuple[Any, str] | None = None
        self._found: tuple[Any, Encoder] | None = None

    def docs(self, texts: list[AnnotatedText]) -> list[Doc]:
        """Run the components in front, without the annotation.

        texts (list[AnnotatedText]): The texts.
        RETURNS (list[Doc]): One per text.
        RAISES (KnnNerError): If the component is in no pipeline, or a component in
            front merges or splits tokens.
        """
        names = [name for name, _ in self.nlp.components]
        others = names[names.index(self.pipe_name()) :]
        new = (make_doc(self.nlp, text) for text in texts)
        docs = list(self.nlp.pipe(new, disable=others))
        if len(docs) != len(texts):
            # An error handler of the pipeline has dropped Docs.
            n, total = len(texts) - len(docs), len(texts)
            raise KnnNerError(Errors.E050, name=self.name, n=n, total=total)
        for text, doc in zip(texts, docs, strict=True):
            expected, found = len(text.words), len(doc)
            if expected != found:
                raise KnnNerError(
                    Errors.E045, name=self.name, expected=expected, found=found
                )
        return docs

    def with_contexts(self, texts: list[AnnotatedText]) -> list[AnnotatedText]:
        """Find the contexts of texts that have none, if a component in front does and
        an encoder reads them: they are stored with examples, so that a rebuild gives
        the same keys. Texts that are evaluated have them too before they are encoded.

        texts (list[AnnotatedText]): The texts.
        RETURNS (list[AnnotatedText]): In order.
        RAISES (KnnNerError): If the search fails.
        """
        before = components_before(self.nlp, self.pipe_name())
        models = [getattr(component, "model", None) for _, component in before]
        views = {v for m in models if isinstance(m, Model) for v in views_of(m)}
        names = [name for name, _ in before]
        assigned = {name: self.nlp.get_pipe_meta(name).assigns for name in names}
        retrievers = [name for name in names if "doc._.contexts" in assigned[name]]
        has_all = all(text.contexts is not None for text in texts)
        if has_all or not retrievers or views <= {"plain"}:
            return texts
        last = names.index(retrievers[-1])
        others = [name for name, _ in self.nlp.components][last + 1 :]
        options = {name: successful_search(self.nlp, name) for name in retrievers}
        new = (make_doc(self.nlp, text) for text in texts)
        docs = list(self.nlp.pipe(new, disable=others, component_cfg=options))
        pairs = zip(texts, docs, strict=True)
        return [replace(text, contexts=on_docs.read(doc)) for text, doc in pairs]

    def keys(
        self, texts: list[AnnotatedText], scheme: str
    ) -> tuple[str, list[TokenKeys]]:
        """Encode texts.

        texts (list[AnnotatedText]): The texts.
        scheme (str): The tag scheme, where no `ner_tagger` is in front.
        RETURNS (tuple[str, list[TokenKeys]]): The tagger's scheme, and the keys.
        RAISES (KnnNerError): As for `docs` and `read`.
        """
        docs = self.docs(texts)
        return scheme_of(docs, scheme), self.read(docs)

    def read(self, docs: list[Doc]) -> list[TokenKeys]:
        """Read the keys of Docs, or make them where no component leaves vectors.

        docs (list[Doc]): After the components in front.
        RETURNS (list[TokenKeys]): One per Doc.
        RAISES (KnnNerError): If an encoder in front has left nothing.
        """
        keys = self._vectors(docs)
        if self.projection is None:
            return keys
        return [self._projected(key) if len(key) else key for key in keys]

    def _projected(self, key: TokenKeys) -> TokenKeys:
        assert self.projection is not None
        return replace(key, vectors=project(key.vectors, self.projection))

    def with_projection(self, projection: np.ndarray | None) -> "KeyEncoder":
        """Make a key encoder with another projection, or with none.

        projection (ndarray | None): From `fit_projection`.
        """
        other = KeyEncoder(self.nlp, self.component, self.name, self.settings)
        other.projection = projection
        return other

    def _vectors(self, docs: list[Doc]) -> list[TokenKeys]:
        encoder = self.find()
        if encoder.source in LEFT_ON_DOCS or self._has_vectors(docs):
            return [read_keys(doc, self.settings, self.name) for doc in docs]
        return [
            keys_of(doc, vectors, self.settings, encoder.source)
            for doc, vectors in zip(docs, token_vectors(docs, encoder), strict=True)
        ]

    def _has_vectors(self, docs: list[Doc]) -> bool:
        """Whether a component that does not declare it has left vectors."""
        return self.settings.source == "auto" and any(map(has_vectors, docs))

    def fingerprint(self) -> Fingerprint:
        """Compute what the keys are made with."""
        of_vectors = fingerprint(self.nlp, self.pipe_name(), self.settings)
        return {**of_vectors, "projection": self.projection_digest()}

    def projection_digest(self) -> str | None:
        """Compute what tells one projection from another; None without one."""
        if self.settings.projection is None and self.projection is None:
            return None
        matrix = b"" if self.projection is None else self.projection.tobytes()
        return f"{self.settings.projection}:{hashlib.sha256(matrix).hexdigest()}"

    def check(self, datastore: Datastore) -> None:
        """Refuse keys of another encoder. Weights are hashed once, and again when the
        pipeline has changed or was trained.

        datastore (Datastore): About to be searched or added to.
        RAISES (KnnNerError): If its keys were made with another encoder.
        """
        if datastore.fingerprint is None:
            return
        model = self.find().model
        state = None if model is None else training_state(model)
        seen = datastore.fingerprint, self.settings, id(self.projection), state
        if self._checked is None or self._checked[0] != seen:
            self._checked = seen, difference(datastore.fingerprint, self.fingerprint())
        if self._checked[1]:
            raise KnnNerError(Errors.E044, name=self.name, changed=self._checked[1])

    def find(self) -> Encoder:
        """Find the encoder, again when the pipeline has changed."""
        parts = [(n, id(c), id(getattr(c, "model", c))) for n, c in self.nlp.components]
        seen = parts, self.settings.source
        if self._found is None or self._found[0] != seen:
            name = self.pipe_name()
            self._found = seen, find_encoder(self.nlp, name, self.settings.source)
            self._checked = None
        return self._found[1]

    def pipe_name(self) -> str:
        """Find the component's name in the pipeline, which may have been changed.

        RAISES (KnnNerError): If it is in no pipeline.
        """
        for name, component in self.nlp.components:
            if component is self.component:
                return name
        raise KnnNerError(Errors.E048, name=self.name)
