"""The factory `knn_ner`: the tagger's distribution, mixed with the neighbors'."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.pipeline.ner import ner_score
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example

from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.forksafe import make_fork_safe
from ..errors import Errors, KnnNerError, Warnings, warning
from ..tags import TagSet
from ..ty import Evidence, LabelledText, TokenKeys, Votes
from .encoding import encode, labelled_text, progress
from .entities import entity_spans
from .evidence import find_evidence
from .fingerprint import difference, fingerprint
from .keys import joined, read_keys
from .mixing import Queries, p_final, per_token, read_p_ner, span_scores
from .settings import Setting, Settings


@Language.factory(
    "knn_ner",
    requires=["doc._.ner_tagger"],
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans"],
    default_config={
        **Settings().config(),
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
    },
)
def make_knn_ner(
    nlp: Language,
    name: str,
    k: int | None,
    temperature: float,
    weight: float,
    metric: str,
    index: str,
    keys: dict[str, Any],
    decoding: str,
    correction_weight: float,
    radius: float,
    scorer: Callable | None,
) -> "KnnNer":
    """Make a KnnNer component. See `Settings` for its settings.

    scorer (Callable | None): Scores examples. Default: spaCy's span F1.
    RAISES (KnnNerError): For a setting that is not possible.
    """
    settings = {
        "k": k,
        "temperature": temperature,
        "weight": weight,
        "metric": metric,
        "index": index,
        "keys": keys,
        "decoding": decoding,
        "correction_weight": correction_weight,
        "radius": radius,
    }
    return KnnNer(nlp, name, scorer=scorer, **settings)


@dataclass(frozen=True)
class Prediction:
    """What is predicted for one Doc.

    tag_set (TagSet): What the ids and columns mean.
    ids (ndarray): The decoded tags, shape (n_tokens,).
    p (ndarray): p_final, shape (n_tokens, n_tags), float64.
    """

    tag_set: TagSet
    ids: np.ndarray
    p: np.ndarray


class KnnNer(Pipe):
    """Interpolates p_NER with the labels of nearest neighbors (kNN-NER).

    Sets `doc.ents`, replacing what was there, and `doc.spans[name]` with the
    same spans and their scores in `.attrs["scores"]`.

    `build` fills the datastore from a corpus, `add` teaches a correction,
    `forget` takes examples back, `neighbors` tells why.
    """

    k = Setting()
    temperature = Setting()
    weight = Setting()
    metric = Setting()
    index = Setting()
    keys = Setting()
    decoding = Setting()
    correction_weight = Setting()
    radius = Setting()

    def __init__(
        self,
        nlp: Language,
        name: str = "knn_ner",
        *,
        scorer: Callable | None = ner_score,
        **settings: Any,
    ) -> None:
        """Initialize the component.

        nlp (Language): The pipeline it belongs to, whose components encode the
            examples of `build` and `add`.
        name (str): Its name in the pipeline.
        scorer (Callable | None): The scoring method.
        settings (Any): See `Settings`.
        RAISES (KnnNerError): For a setting that is not possible.
        """
        self.nlp = nlp
        self.vocab = nlp.vocab
        self.name = name
        self.scorer = scorer
        self.settings = Settings().replace(name, **settings)
        self.datastore = Datastore(dtype=self.settings.keys.dtype)
        self._same_encoder = False  # not known yet
        make_fork_safe()  # torch in the tagger needs it as much as the search does

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels that the datastore knows."""
        return self.datastore.tag_set.labels

    @property
    def tag_set(self) -> TagSet:
        """The tags that the datastore knows."""
        return self.datastore.tag_set

    def set_settings(self, **changes: Any) -> None:
        """Change settings. They are written into the pipeline's config too, so
        that `nlp.to_disk` keeps them.

        changes (Any): See `Settings`.
        RAISES (KnnNerError): For a value that is not possible; nothing changes.
        """
        self.settings = self.settings.replace(self.name, **changes)
        self._same_encoder = False
        for name, component in self.nlp.components:
            if component is self:
                self.nlp.get_pipe_config(name).update(self.settings.config())

    # --- predicting --------------------------------------------------------

    def __call__(self, doc: Doc) -> Doc:
        """Find the entities of one Doc. For many, `pipe` is faster.

        doc (Doc): After the ner_tagger.
        RETURNS (Doc): The same Doc.
        """
        for done in self.pipe([doc], batch_size=1):
            return done
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Find the entities of many Docs, with one search per batch and tier.

        stream (Iterable[Doc]): After the ner_tagger.
        batch_size (int): Docs per search. Default: 128.
        YIELDS (Doc): The same Docs, in order.
        """
        handle_error = self.get_error_handler()
        for docs in util.minibatch(stream, size=batch_size):
            try:
                self.set_annotations(docs, self.predict(docs))
            except Exception as error:
                handle_error(self.name, self, docs, error)
            else:
                yield from docs

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Mix and decode, without modifying the Docs.

        docs (Iterable[Doc]): After the ner_tagger.
        RETURNS (list[Prediction]): One per Doc.
        RAISES (KnnNerError): If the Docs lack p_NER or vectors, or the datastore
            was built with another encoder.
        """
        queries = self.queries(list(docs))
        p = p_final(
            queries.p_ner,
            self._votes(queries, STORE),
            self._votes(queries, CORRECTIONS),
            self.settings,
        )
        tag_set, decoding = queries.tag_set, self.settings.decoding
        return [
            Prediction(tag_set, tag_set.decode(rows, decoding), rows)
            for rows in queries.split(p)
        ]

    def queries(self, docs: list[Doc]) -> Queries:
        """What the neighbors are asked about these Docs.

        docs (list[Doc]): After the ner_tagger.
        RETURNS (Queries): p_NER and keys. Where the datastore is empty nobody is
            asked, and the keys are not read.
        """
        tag_set, p_ner = read_p_ner(docs, self.tag_set, self.name)
        lengths = [len(doc) for doc in docs]
        asked = docs if len(self.datastore) else []
        keys = [read_keys(doc, self.settings.keys, self.name) for doc in asked]
        queries = Queries(tag_set, lengths, p_ner, joined(keys))
        if len(queries.keys):
            self._check_encoder()
            self.datastore.check_width(queries.keys.vectors)
        return queries

    def _votes(self, queries: Queries, tier: str) -> Votes:
        """One search for the whole batch."""
        if not self.datastore.size(tier) or not len(queries.keys):
            n, n_tags = queries.p_ner.shape
            return Votes(np.zeros((n, n_tags)), np.full(n, np.inf), np.zeros(n))
        votes = self.datastore.tiers[tier].vote(
            queries.keys.vectors,
            k=self.settings.k,
            temperature=self.settings.temperature,
            metric=self.settings.metric,
            index=self.settings.index,
            n_tags=len(self.tag_set),
        )
        return per_token(votes, queries, self.tag_set)

    def set_annotations(self, docs: Iterable[Doc], scores: list[Prediction]) -> None:
        """Set `doc.ents`, and `doc.spans[name]` with scores.

        docs (Iterable[Doc]): The Docs to modify.
        scores (list[Prediction]): From `predict`.
        """
        for doc, found in zip(docs, scores, strict=True):
            spans = entity_spans(doc, found.tag_set, found.ids)
            doc.set_ents(spans)
            bounds = [(span.start, span.end) for span in spans]
            attrs = {"scores": span_scores(bounds, found.ids, found.p)}
            doc.spans[self.name] = SpanGroup(
                doc, name=self.name, spans=spans, attrs=attrs
            )

    # --- the datastore -----------------------------------------------------

    def build(
        self,
        docs: Iterable[Doc],
        *,
        batch_size: int = 64,
        show_progress: bool = True,
    ) -> list[int]:
        """Fill the store from labelled Docs; what it held before is replaced.

        Corrections stay: they are encoded again. If anything fails, the
        datastore stays as it was.

        docs (Iterable[Doc]): With `doc.ents`; read once, in batches. Tokens
            without annotation (`ent_iob == 0`) are not stored.
        batch_size (int): Docs encoded at once. Default: 64.
        show_progress (bool): Show a progress bar. Default: True.
        RETURNS (list[int]): The examples' ids, in order.
        RAISES (KnnNerError): If the pipeline's encoder leaves no vectors.
        """
        new = self.datastore.emptied(
            CORRECTIONS,
            dtype=self.settings.keys.dtype,
            scheme=self.datastore.tag_set.scheme,
            encoder=self._fingerprint(),
        )
        ids: list[int] = []
        empty: list[int] = []
        for batch in util.minibatch(progress(docs, show_progress), size=batch_size):
            texts = [labelled_text(doc, self.name) for doc in batch]
            scheme, keys = self._encode(texts)
            if not new.tag_set.labels:
                new.tag_set = TagSet(scheme)
            added = new.add(texts, keys, tier=STORE)
            empty += _without_entry(added, texts, keys)
            ids += added
        for kept in util.minibatch(self.datastore.examples, size=batch_size):
            mine = [example for example in kept if example.tier == CORRECTIONS]
            texts = [example.labelled for example in mine]
            _, keys = self._encode(texts)
            again = [example.example_id for example in mine]
            new.add_entries(again, texts, keys, tier=CORRECTIONS)
        self._warn_of(empty)
        self._use(new)
        self._same_encoder = True
        return ids

    def add(self, docs: Iterable[Doc]) -> list[int]:
        """Add corrections: labelled Docs that are heeded at once.

        docs (Iterable[Doc]): With `doc.ents`. Annotate what you know: tokens
            without annotation (`ent_iob == 0`) are not stored.
        RETURNS (list[int]): The examples' ids, in order; for `forget`.
        RAISES (KnnNerError): If the datastore was built with another encoder.
        """
        texts = [labelled_text(doc, self.name) for doc in docs]
        scheme, keys = self._encode(texts)
        if len(self.datastore):
            self._check_encoder()
        else:
            self.datastore.encoder = self._fingerprint()
            self.datastore.dtype = self.settings.keys.dtype
        if not self.tag_set.labels:
            self.datastore.tag_set = TagSet(scheme)
        ids = self.datastore.add(texts, keys, tier=CORRECTIONS)
        self._warn_of(_without_entry(ids, texts, keys))
        self._use(self.datastore)
        return ids

    def forget(self, example_ids: Iterable[int]) -> int:
        """Remove examples from either tier.

        example_ids (Iterable[int]): From `build` or `add`.
        RETURNS (int): How many entries (tokens) were removed.
        RAISES (KnnNerError): For an unknown id; then nothing is removed.
        """
        return self.datastore.forget(example_ids)

    def neighbors(self, doc: Doc, i: int, *, n: int = 10) -> list[Evidence]:
        """The neighbors of a token: why it was labelled so.

        doc (Doc): From this pipeline.
        i (int): The token's index.
        n (int): How many per tier, at most. Default: 10.
        RETURNS (list[Evidence]): Nearest first; corrections before the store.
            Empty for whitespace and for an empty datastore.
        """
        queries = self.queries([doc])
        mine = queries.keys.tokens == doc[i].i
        return find_evidence(
            self.datastore, queries.keys.vectors[mine], self.settings, n
        )

    def _encode(self, texts: list[LabelledText]) -> tuple[str, list[TokenKeys]]:
        """The tag scheme of the tagger in front, and the texts' keys."""
        scheme, docs = encode(self.nlp, self, texts, self.tag_set.scheme)
        if self.tag_set.labels and scheme != self.tag_set.scheme:
            raise KnnNerError(Errors.E035, stored=self.tag_set.scheme, given=scheme)
        return scheme, [read_keys(doc, self.settings.keys, self.name) for doc in docs]

    def _use(self, datastore: Datastore) -> None:
        self.datastore = datastore
        for label in self.labels:
            # Before spaCy's memory zones see them, which forget new strings.
            self.vocab.strings.add(label)

    def _warn_of(self, empty: list[int]) -> None:
        if empty:
            ids = ", ".join(map(str, empty[:10])) + (", …" if len(empty) > 10 else "")
            message = warning(Warnings.W002, n=len(empty), ids=ids)
            warnings.warn(message, stacklevel=3)

    # --- the encoder -------------------------------------------------------

    def _fingerprint(self) -> dict[str, Any]:
        for name, component in self.nlp.components:
            if component is self:
                return fingerprint(self.nlp, name, self.settings.keys)
        raise KnnNerError(Errors.E048, name=self.name)

    def _check_encoder(self) -> None:
        """RAISES (KnnNerError): If the datastore's keys are another encoder's."""
        if self._same_encoder or self.datastore.encoder is None:
            return
        changed = difference(self.datastore.encoder, self._fingerprint())
        if changed:
            raise KnnNerError(Errors.E044, name=self.name, changed=changed)
        self._same_encoder = True

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Initialize for training; nothing is built here, before the encoder has
        learnt anything. Call `build` after training.

        get_examples (Callable[[], Iterable[Example]]): Not used.
        nlp (Language | None): The pipeline.
        """
        if nlp is not None:
            # A component copied in from another pipeline learns where it is.
            self.nlp = nlp
        self._same_encoder = False

    def update(
        self,
        examples: Iterable[Example],
        *,
        losses: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> dict[str, float]:
        """Nothing is learnt here, but the encoder may have been trained just now:
        check again whether the datastore fits it.

        examples (Iterable[Example]): Not used.
        losses (dict[str, float] | None): Returned as they are.
        """
        self._same_encoder = False
        return {} if losses is None else losses

    # --- saving and loading ------------------------------------------------
    # The settings are in the pipeline's config; see `set_settings`.

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the datastore.

        path (str | Path): A folder.
        exclude (Iterable[str]): `"datastore"` to leave it out.
        """
        util.to_disk(path, {"datastore": self.datastore.to_disk}, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "KnnNer":
        """Load the datastore, mapped into memory.

        path (str | Path): A folder from `to_disk`.
        exclude (Iterable[str]): `"datastore"` to leave it out.
        RETURNS (KnnNer): This component.
        RAISES (KnnNerError): If it is missing or damaged.
        """
        new = Datastore()

        def load(folder: Path) -> None:
            new.from_disk(folder)

        util.from_disk(path, {"datastore": load}, exclude)
        if "datastore" not in exclude:
            self._use(new)
        self._same_encoder = False
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The datastore as bytes.

        RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
        """
        return util.to_bytes({"datastore": self.datastore.to_bytes}, exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "KnnNer":
        """Load from `to_bytes`."""
        new = Datastore()
        util.from_bytes(bytes_data, {"datastore": new.from_bytes}, exclude)
        if "datastore" not in exclude:
            self._use(new)
        self._same_encoder = False
        return self


def _without_entry(
    ids: list[int], texts: list[LabelledText], keys: list[TokenKeys]
) -> list[int]:
    """The examples that have no entry."""
    pairs = zip(ids, texts, keys, strict=True)
    return [i for i, text, key in pairs if not set(key.tokens) - set(text.missing)]
