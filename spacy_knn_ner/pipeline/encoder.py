"""The components in front of a `knn_ner`, which make keys of labelled texts."""

from typing import Any, Protocol

from spacy.language import Language
from spacy.tokens import Doc

from ..datastore.datastore import Datastore
from ..errors import Errors, KnnNerError
from ..ty import LabelledText, TokenKeys
from . import handover
from .fingerprint import (
    Fingerprint,
    difference,
    find_encoder,
    fingerprint,
    probe_model,
)
from .keys import read_keys
from .labelled import make_doc
from .settings import Settings


class Owner(Protocol):
    """The component that the keys are for."""

    name: str
    nlp: Language
    settings: Settings


class Encoder:
    """Encodes texts as the pipeline would, and knows whether a datastore's keys
    were made with the same weights."""

    def __init__(self, owner: Owner) -> None:
        """owner (Owner): The component; it stands in `owner.nlp`."""
        self.owner = owner
        self._checked: Any = None

    def docs(self, texts: list[LabelledText]) -> list[Doc]:
        """Run the components in front; the labels are not shown to them.

        texts (list[LabelledText]): The texts.
        RETURNS (list[Doc]): One per text.
        RAISES (KnnNerError): If the owner stands in no pipeline, or a component in
            front merges or splits tokens.
        """
        nlp, name = self.owner.nlp, self.owner.name
        names = [other for other, _ in nlp.components]
        behind = names[names.index(self._name()) :]
        docs = list(nlp.pipe((make_doc(nlp, text) for text in texts), disable=behind))
        if len(docs) != len(texts):
            # An error handler of the pipeline's has let Docs go.
            raise KnnNerError(
                Errors.E050, name=name, n=len(texts) - len(docs), total=len(texts)
            )
        for text, doc in zip(texts, docs, strict=True):
            expected, found = len(text.words), len(doc)
            if expected != found:
                raise KnnNerError(
                    Errors.E045, name=name, expected=expected, found=found
                )
        return docs

    def keys(
        self, texts: list[LabelledText], scheme: str
    ) -> tuple[str, list[TokenKeys]]:
        """The keys of some texts.

        texts (list[LabelledText]): The texts.
        scheme (str): The tag scheme, where no `ner_tagger` stands in front.
        RETURNS (tuple[str, list[TokenKeys]]): The tagger's scheme, and the keys.
        RAISES (KnnNerError): As for `docs`, and if there is no encoder in front.
        """
        docs = self.docs(texts)
        for doc in docs:
            value = handover.read(doc)
            if value is not None:
                scheme = value["scheme"]
        settings, name = self.owner.settings.keys, self.owner.name
        return scheme, [read_keys(doc, settings, name) for doc in docs]

    def fingerprint(self) -> Fingerprint:
        """What the keys are made with."""
        return fingerprint(self.owner.nlp, self._name(), self.owner.settings.keys)

    def check(self, datastore: Datastore) -> None:
        """Refuse keys of another encoder. All weights are hashed once, and again
        when a sample of them has changed.

        datastore (Datastore): About to be searched or added to.
        RAISES (KnnNerError): If its keys are another encoder's.
        """
        if datastore.encoder is None:
            return
        settings = self.owner.settings.keys
        _, model = find_encoder(self.owner.nlp, self._name(), settings.source)
        sample = None if model is None else probe_model(model)
        state = (datastore.encoder, settings, sample)
        if self._checked is None or self._checked[0] != state:
            changed = difference(datastore.encoder, self.fingerprint())
            self._checked = state, changed
        if self._checked[1]:
            raise KnnNerError(
                Errors.E044, name=self.owner.name, changed=self._checked[1]
            )

    def _name(self) -> str:
        """The owner's name in the pipeline, which may have been changed."""
        for name, component in self.owner.nlp.components:
            if component is self.owner:
                return name
        raise KnnNerError(Errors.E048, name=self.owner.name)
