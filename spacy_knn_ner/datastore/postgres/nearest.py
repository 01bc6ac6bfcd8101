"""Queries for the nearest keys in PostgreSQL, with pgvector."""

import numpy as np

from .keys import TYPES, PostgresKeys, key_as_sent

# By metric (see `StoredKeys`): pgvector's operator, and its class for an index.
_OPERATORS = {"cosine": ("<=>", "cosine"), "sqeuclidean": ("<->", "l2")}


def nearest(
    keys: PostgresKeys,
    metric: str,
    queries: np.ndarray,
    k: int,
    *,
    effort: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest keys of all queries with one statement, and remember those keys.

    keys (PostgresKeys): The keys.
    metric (str): `"cosine"` or `"sqeuclidean"`.
    queries (ndarray): Shape (n, width), float32.
    k (int): How many.
    effort (int | None): Search with an HNSW index, if there is one, with this efSearch.
        Default: all keys are compared.
    RETURNS (tuple[ndarray, ndarray]): As from `VectorIndex.search`.
    """
    from pgvector import Vector

    dtype, operator = keys.dtype.name, _OPERATORS[metric][0]
    if effort is None:
        # Without + 0, an index of the table might be used, which is approximate.
        distance = f"(key::vector {operator} q.v)"
        order = f"{distance} + 0"
    else:
        distance = order = (
            f"(key {operator} q.v::{TYPES[dtype][0]}({queries.shape[1]}))"
        )
    statement = (
        "SELECT q.n - 1, near.entry_id, near.distance, near.key "
        "FROM unnest(%b::vector[]) WITH ORDINALITY AS q(v, n) CROSS JOIN LATERAL ("
        f"SELECT entry_id, {key_as_sent(dtype)} AS key, {distance} AS distance "
        f"FROM {keys.table} ORDER BY {order} LIMIT %s) AS near"
    )
    values = [[Vector(query) for query in queries], k]
    db = keys.server.db
    with keys.server.coded():
        if effort is not None:
            db.execute(_EFFORT, [str(effort)])
        found = db.execute(statement, values, binary=True).fetchall()
    return _arranged(keys, metric, found, len(queries), k)


# Removed rows that the index still has do not count: it searches on.
_EFFORT = (
    "SELECT set_config('hnsw.ef_search', %s, false), "
    "set_config('hnsw.iterative_scan', 'relaxed_order', false)"
)


def operator_class(dtype: str, metric: str) -> str:
    """Name pgvector's operator class of an index.

    dtype (str): Of the keys.
    metric (str): As for `nearest`.
    """
    return f"{TYPES[dtype][0]}_{_OPERATORS[metric][1]}_ops"


def _arranged(
    keys: PostgresKeys, metric: str, found: list[tuple], n: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a query's result as arrays, nearest first."""
    squared, rows = np.full((n, k), np.inf), np.full((n, k), -1)
    if not found:
        return squared, rows
    query, ids, distances, sent = zip(*found, strict=True)
    entry_ids, of = np.array(ids), np.array(query)
    keys.remember(entry_ids, keys.decoded(list(sent)))
    order = np.lexsort((entry_ids, distances, of))
    of, entry_ids = of[order], entry_ids[order]
    place = np.arange(len(of)) - np.searchsorted(of, of)
    d = np.array(distances)[order]
    d = 2 * d if metric == "cosine" else d**2  # in search space
    # Outside of a transaction, another process may have added one meanwhile.
    squared[of, place], rows[of, place] = d, keys.entry_ids.rows_of(entry_ids)
    return squared, rows
