"""Looking Docs up: what is asked, what the tiers say, and on what evidence."""

import warnings
from collections.abc import Iterable
from functools import partial

import numpy as np
from spacy.tokens import Doc

from ..datastore.datastore import CORRECTIONS, STORE
from ..errors import Warnings, warning
from ..tags import TagSet
from ..ty import EntityExplanation, Evidence, TokenExplanation, Votes
from . import handover
from .evidence import correction_evidence, store_evidence
from .explaining import Explainer
from .gate import gated
from .hearing import Heard, hear
from .hearing import votes as votes_of
from .memory import Memory
from .mixing import Queries, per_token, read_p_ner, silent
from .rulers import rulers_before


class Lookup(Memory):
    """What a component can do that looks Docs up in its memory."""

    @property
    def tag_set(self) -> TagSet:
        """The tags that the datastore knows."""
        return self.datastore.tag_set

    def queries(self, docs: list[Doc], *, again: bool = False) -> Queries:
        """What the neighbors are asked about these Docs.

        docs (list[Doc]): After the components in front.
        again (bool): Whether they have been through this component, and it is asked
            how its entities came about. Default: False.
        RETURNS (Queries): p_NER and keys. Where the datastore is empty nobody is
            asked, and the keys are not read.
        """
        known = self.tag_set if len(self.datastore) else TagSet(self.tag_set.scheme)
        rulers, alone = rulers_before(self.nlp, self)
        tag_set, p_ner = read_p_ner(
            docs,
            known,
            self.settings.base_confidence,
            self.name,
            outside=not (rulers and alone),
            again=again,
        )
        lengths = [len(doc) for doc in docs]
        words = [token.lower_ for doc in docs for token in doc]
        queries = Queries(tag_set, lengths, words, p_ner, self.read_keys(docs))
        if len(queries.keys):
            self._check_pipeline(docs)
        return queries

    def _check_pipeline(self, docs: list[Doc]) -> None:
        """spaCy does not tell a component that it was copied into another pipeline,
        and the one it knows may have another encoder."""
        mine = {handover.identity(component) for _, component in self.nlp.components}
        here = handover.identity(self).partition(":")[0]
        values = [handover.read(doc) for doc in docs]
        taggers = {value["tagger"] for value in values if value and value["tagger"]}
        # What another process has tagged cannot be told apart.
        if any(t.startswith(f"{here}:") for t in taggers - mine):
            warnings.warn(warning(Warnings.W003, name=self.name), stacklevel=2)

    def votes(self, queries: Queries, asked: np.ndarray | None = None) -> Votes:
        """What the store says, in one search for the whole batch.

        queries (Queries): From `queries`.
        asked (ndarray | None): The tokens that are looked up, shape (n_tokens,), bool;
            None: all of them.
        RETURNS (Votes): Per token. The others have no neighbors.
        """
        if asked is not None:
            queries = queries.of(asked)
        if not self.datastore.size(STORE) or not len(queries.keys):
            return silent(queries)
        votes = self.datastore.tiers[STORE].vote(
            queries.keys.vectors,
            k=self.settings.k,
            temperature=self.settings.temperature,
            metric=self.settings.metric,
            index=self.settings.index,
            n_tags=len(self.tag_set),
        )
        return per_token(votes, queries, self.tag_set)

    def corrections(self, queries: Queries, ids: np.ndarray) -> Votes:
        """What the corrections say.

        queries (Queries): From `queries`.
        ids (ndarray): The tags without them, shape (n_tokens,).
        RETURNS (Votes): Per token; `nearest` is a share of the radius.
        """
        return self.said(queries, self.heard(queries, ids))

    def said(self, queries: Queries, heard: Heard | None) -> Votes:
        """The same, of corrections that are known to be heard.

        queries (Queries): From `queries`.
        heard (Heard | None): From `heard`.
        """
        if heard is None:
            return silent(queries)
        return votes_of(heard, self.datastore, queries, self.settings)

    def heard(self, queries: Queries, ids: np.ndarray) -> Heard | None:
        """Which corrections speak to which tokens; None without corrections.

        queries, ids: As for `corrections`.
        """
        if not self.datastore.size(CORRECTIONS) or not len(queries.keys):
            return None
        return hear(self.datastore, queries, ids, self.settings)

    def neighbors(self, doc: Doc, i: int, *, n: int = 10) -> list[Evidence]:
        """The neighbors of a token: why it was labelled so.

        doc (Doc): From this pipeline.
        i (int): The token's index.
        n (int): How many of each kind, at most. Default: 10.
        RETURNS (list[Evidence]): Corrections that speak to it, entries of the store
            that do beside them because they have the same words, then the neighbors in
            the store, which may be the same entries; each nearest first. Empty for
            whitespace and for an empty datastore.
        """
        with self.lock:
            queries = self.queries([doc], again=True)
            return self.evidence(queries, self.all_heard(queries), doc[i].i, n=n)

    def all_heard(self, queries: Queries) -> Heard | None:
        """Which corrections speak to which tokens; None without corrections.

        queries (Queries): From `queries`.
        """
        if not self.datastore.size(CORRECTIONS):
            return None
        nobody = silent(queries)
        ask = partial(self.votes, queries)
        found = gated(queries, lambda ids: nobody, self.settings, ask)
        return self.heard(queries, found.ids)

    def evidence(
        self, queries: Queries, heard: Heard | None, i: int, *, n: int
    ) -> list[Evidence]:
        """The neighbors of one of many tokens; see `neighbors`.

        queries (Queries): From `queries`.
        heard (Heard | None): From `all_heard`.
        i (int): The token, counted through all Docs.
        n (int): How many per tier, at most.
        """
        found: list[Evidence] = []
        if heard is not None:
            found += correction_evidence(self.datastore, heard, i, self.settings, n)
        if self.datastore.size(STORE):
            mine = queries.keys.vectors[queries.keys.tokens == i]
            found += store_evidence(self.datastore, mine, self.settings, n)
        return found

    def explain(self, doc: Doc, *, n: int = 5) -> list[EntityExplanation]:
        """Why are these the entities of a Doc?

        doc (Doc): From this pipeline.
        n (int): Neighbors per token and tier, at most. Default: 5.
        RETURNS (list[EntityExplanation]): The entities that are found, and those that
            would be without neighbors, in order. All tokens are looked up, even where
            a number as `gate` passes over some.
        """
        with self.lock:
            return Explainer(self, doc, n).entities()

    def explain_tokens(
        self, doc: Doc, tokens: Iterable[int], *, n: int = 5
    ) -> list[TokenExplanation]:
        """How did some tokens come by their tags?

        doc (Doc), n (int): As for `explain`.
        tokens (Iterable[int]): Their indices.
        RETURNS (list[TokenExplanation]): In this order.
        """
        with self.lock:
            explainer = Explainer(self, doc, n)
            return [explainer.token(doc[i].i) for i in tokens]
