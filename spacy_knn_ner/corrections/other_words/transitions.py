"""Abstract transitions: how parts of entities follow each other, whatever their type
(StructShot, Yang and Katiyar 2020). They are counted in the store, and hold for types
of which it has none.
"""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ...datastore.datastore import STORE, Datastore
from ...datastore.entries import EntryTable
from ...ml.crf import INVALID, Chain, marginals
from ...ml.extras import require_torch
from ...tags import TagSet, split_tag, transitions

_EDGE = "edge"  # before the first token and after the last
_STATES = ("O", "B", "I", "L", "U", _EDGE)

_COUNTED: WeakKeyDictionary[EntryTable, tuple[Any, np.ndarray]] = WeakKeyDictionary()


def abstract_transitions(datastore: Datastore) -> np.ndarray:
    """Count how often a state follows another in the store's texts, once for each state
    of the store.

    datastore (Datastore): Its examples are counted, and not its entries, of which some
        may have been removed.
    RETURNS (ndarray): Probabilities of the next state (column) after each (row), in the
        order of `_STATES`, shape (6, 6). A state that was not seen has a row of zeros.
    """
    store = datastore.store
    state = store.rows.version, store.n_rows, len(store), datastore.tag_set
    kept = _COUNTED.get(store)
    if kept is None or kept[0] != state:
        kept = _COUNTED[store] = state, _count(datastore)
    return kept[1]


def _count(datastore: Datastore) -> np.ndarray:
    tag_set, edge = datastore.tag_set, _STATES.index(_EDGE)
    # The last one is of tokens without annotation, whose id is −1.
    states = np.append(_states(tag_set), len(_STATES))
    counts = np.zeros((len(_STATES) + 1, len(_STATES) + 1))
    for example in datastore.examples:
        text = example.annotated
        if example.part == STORE and text.words:
            ids = tag_set.encode(len(text.words), text.entities, text.missing)
            path = np.concatenate([[edge], states[ids], [edge]])
            np.add.at(counts, (path[:-1], path[1:]), 1)
    counts = counts[:-1, :-1]
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _states(tag_set: TagSet) -> np.ndarray:
    """The state of each tag."""
    return np.array([_STATES.index(split_tag(tag)[0]) for tag in tag_set.tags])


def smoothed(
    p: np.ndarray,
    lengths: list[int],
    tag_set: TagSet,
    of_states: np.ndarray,
    exponent: float,
) -> np.ndarray:
    """Compute the marginals of a chain of votes and transitions.

    p (ndarray): Votes, shape (n_tokens, n_tags), with rows that sum to 1.
    lengths (list[int]): Tokens per text, one after the other; none is 0.
    tag_set (TagSet): The columns of p.
    of_states (ndarray): From `abstract_transitions`.
    exponent (float): Of the probabilities of transitions, StructShot's τ.
    RETURNS (ndarray): Shape (n_tokens, n_tags); the votes as they are, where no entity
        was counted.
    """
    if not of_states[:, 1:-1].any():
        return p
    require_torch("few_shot.transitions")
    import torch

    allowed, states = transitions(tag_set), _states(tag_set)
    log = exponent * np.log(np.maximum(of_states, 1e-6))
    edge = _STATES.index(_EDGE)

    def masked(scores: np.ndarray, valid: np.ndarray) -> Any:
        return torch.tensor(np.where(valid, scores, INVALID))

    chain = Chain(
        start=masked(log[edge, states], allowed.first),
        step=masked(log[states][:, states], allowed.step),
        end=masked(log[states, edge], allowed.last),
    )
    emissions = torch.zeros(len(lengths), max(lengths), p.shape[1], dtype=torch.float64)
    mask = torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
    for row, part in enumerate(np.split(p, np.cumsum(lengths)[:-1])):
        emissions[row, : len(part)] = torch.tensor(np.log(np.maximum(part, 1e-12)))
        mask[row, : len(part)] = True
    found = marginals(emissions, mask, chain).numpy()
    return np.concatenate([found[i, :length] for i, length in enumerate(lengths)])
