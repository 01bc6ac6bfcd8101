"""Docs → a batch of tokens with p_base and keys."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from spacy.tokens import Doc

from ..datastore.datastore import Datastore
from ..errors import Errors, KnnNerError, Warnings, warning
from ..settings import Settings
from ..tags import TagSet
from ..types import TokenBatch, TokenKeys
from . import tagger_output
from .annotations import annotated_entities
from .encoder import KeyEncoder
from .rulers import upstream_rulers
from .stages import previous_stages
from .vectors import concatenate_keys, empty_keys


@dataclass(frozen=True)
class BatchReader:
    """Reads Docs for inference.

    encoder (KeyEncoder): Of the pipeline.
    datastore (Datastore): Its tags are columns; where it is empty, no keys are read.
    settings (Settings): `base_confidence` and `keys`.
    """

    encoder: KeyEncoder
    datastore: Datastore
    settings: Settings

    def read(self, docs: list[Doc], *, use_saved_base: bool = False) -> TokenBatch:
        """Read p_base and keys.

        docs (list[Doc]): After the components in front.
        use_saved_base (bool): Whether they have been through this component, and how
            their entities came about is wanted. Default: False.
        RETURNS (TokenBatch): The tokens of all Docs.
        RAISES (KnnNerError): If the Docs lack p_base or vectors, or the datastore was
            built with another encoder.
        """
        name, known = self.encoder.name, self.datastore.tag_set
        is_empty = not len(self.datastore)
        if is_empty:
            known = TagSet(known.scheme)
        rulers, alone = upstream_rulers(self.encoder.nlp, self.encoder.component)
        tag_set, p_base = read_p_base(
            docs,
            known,
            self.settings.base_confidence,
            name,
            outside=not (rulers and alone),
            use_saved=use_saved_base,
            previous=previous_stages(self.encoder.nlp, self.encoder.component),
        )
        lengths = [len(doc) for doc in docs]
        words = [token.text for doc in docs for token in doc]
        keys = empty_keys(sum(lengths)) if is_empty else self.read_keys(docs)
        batch = TokenBatch(tag_set, lengths, words, p_base, keys)
        if len(keys):
            self._check_pipeline(docs)
        return batch

    def read_keys(self, docs: list[Doc]) -> TokenKeys:
        """Read the keys of Docs, to be compared with the datastore's.

        docs (list[Doc]): After the components in front.
        RETURNS (TokenKeys): Tokens are counted through all Docs.
        RAISES (KnnNerError): If the Docs lack vectors, or the datastore was built with
            another encoder.
        """
        keys = concatenate_keys(self.encoder.read(docs))
        if len(keys):
            self.encoder.check(self.datastore)
            self.datastore.check_width(keys.vectors)
        return keys

    def _check_pipeline(self, docs: list[Doc]) -> None:
        """Warn of Docs of another pipeline: a component that spaCy has copied still
        refers to its original pipeline, which may have another encoder."""
        values = [tagger_output.read(doc) for doc in docs]
        taggers = {value["tagger"] for value in values if value and value["tagger"]}
        if not taggers:
            return
        identity = tagger_output.identity
        own = {identity(component) for _, component in self.encoder.nlp.components}
        process = identity(self).partition(":")[0]
        # Taggers of another process cannot be told apart.
        if any(t.startswith(f"{process}:") for t in taggers - own):
            message = warning(Warnings.W003, name=self.encoder.name)
            warnings.warn(message, stacklevel=2)


def read_p_base(
    docs: list[Doc],
    known: TagSet,
    confidence: float,
    name: str,
    *,
    outside: bool = True,
    use_saved: bool = False,
    previous: Sequence[str] = (),
) -> tuple[TagSet, np.ndarray]:
    """Read the distribution of the components in front.

    An `ner_tagger` leaves its distribution. Of other components there is `doc.ents`: an
    entity's tags, and `O` outside of entities, get `confidence`, and the other tags the
    rest in equal parts. Tokens without annotation get a row of zeros, which is no
    distribution.

    docs (list[Doc]): The Docs.
    known (TagSet): The datastore's tags.
    confidence (float): Above; 0 to 1.
    name (str): The component, for messages.
    outside (bool): Whether the `O` of `doc.ents` is a prediction; rulers predict none.
        Default: True.
    use_saved (bool), previous (Sequence[str]): See `tagger_output.read_base`.
    RETURNS (tuple[TagSet, ndarray]): The columns, and p_base of shape (n_tokens,
        n_tags), float64.
    RAISES (KnnNerError): If a distribution is in another scheme, or for other tokens.
    """
    values = [
        tagger_output.read_base(doc, use_saved=use_saved, previous=previous)
        for doc in docs
    ]
    schemes = {value["scheme"] for value in values if value is not None}
    for scheme in sorted(schemes - {known.scheme} if known.labels else ()):
        raise KnnNerError(Errors.E035, stored=known.scheme, given=scheme)
    tag_set = TagSet(min(schemes, default=known.scheme))
    for doc, value in zip(docs, values, strict=True):
        if value is None:
            tag_set = tag_set.union(sorted({ent.label_ for ent in doc.ents}))
        elif len(value["probabilities"]) != len(doc):
            expected = len(value["probabilities"])
            raise KnnNerError(Errors.E045, name=name, expected=expected, found=len(doc))
        else:
            tag_set = tag_set.union(_labels(tuple(value["tags"])))
    tag_set = tag_set.union(known.labels)
    parts = [np.zeros((0, len(tag_set)))]
    for doc, value in zip(docs, values, strict=True):
        if value is None:
            parts.append(_of_entities(doc, tag_set, confidence, outside))
        else:
            p = np.zeros((len(doc), len(tag_set)))
            p[:, [tag_set.ids[tag] for tag in value["tags"]]] = value["probabilities"]
            parts.append(p)
    return tag_set, np.concatenate(parts)


@lru_cache(maxsize=64)
def _labels(tags: tuple[str, ...]) -> tuple[str, ...]:
    return TagSet.from_tags("BILUO", tags).labels


def _of_entities(
    doc: Doc, tag_set: TagSet, confidence: float, outside: bool
) -> np.ndarray:
    """A distribution for entities that were set without one."""
    entities, missing = annotated_entities(doc)
    ids = tag_set.encode(len(doc), entities)
    others = (1.0 - confidence) / max(1, len(tag_set) - 1)
    p = np.full((len(doc), len(tag_set)), others)
    p[np.arange(len(doc)), ids] = confidence
    p[missing] = 0.0
    if not outside:
        p[ids == 0] = 0.0
    return p
