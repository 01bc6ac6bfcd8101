"""Pairs of a query and a vector: which may be near, and how far apart they are."""

import numpy as np

from .flat import by_multiplication


def positive_pairs(
    queries: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs whose product is positive.

    queries (ndarray): Shape (n, width), float32.
    vectors (ndarray): Shape (m, width), float32.
    RETURNS (tuple[ndarray, ndarray]): The number per query, shape (n,), and the rows of
        their vectors, query by query.
    """
    import faiss

    queries, vectors = np.ascontiguousarray(queries), np.ascontiguousarray(vectors)
    found = faiss.RangeSearchResult(len(queries))
    with by_multiplication():
        faiss.range_search_inner_product(
            faiss.swig_ptr(queries),
            faiss.swig_ptr(vectors),
            queries.shape[1],
            len(queries),
            len(vectors),
            0.0,
            found,
        )
    ends = faiss.rev_swig_ptr(found.lims, len(queries) + 1).astype(np.int64)
    return np.diff(ends), faiss.rev_swig_ptr(found.labels, int(ends[-1])).copy()


def side_by_side(rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Arrange rows as a matrix with a line per query.

    rows (ndarray): Of the vectors, query by query.
    counts (ndarray): How many there are of each query, shape (n,).
    RETURNS (ndarray): Shape (n, counts.max()); −1 where there are no more.
    """
    found = np.full((len(counts), counts.max(initial=0)), -1, dtype=np.int64)
    found[np.arange(found.shape[1]) < counts[:, None]] = rows
    return found


def true_distances(
    queries: np.ndarray, keys: np.ndarray, rows: np.ndarray, metric: str
) -> np.ndarray:
    """Compare each query with its own keys: products for `"cosine"`, otherwise squared
    distances.

    queries (ndarray): Shape (n, width), float32.
    keys (ndarray): Shape (m, width).
    rows (ndarray): Of the keys, shape (n, c); −1 for none.
    RETURNS (ndarray): Shape (n, c), float32.
    """
    import faiss

    found = np.zeros(rows.shape, dtype=np.float32)
    if keys.dtype == np.float32:
        if metric == "cosine":
            compare = faiss.fvec_inner_products_by_idx  # type: ignore[attr-defined]
        else:
            compare = faiss.fvec_L2sqr_by_idx  # type: ignore[attr-defined]
        arrays = [np.ascontiguousarray(a) for a in (queries, keys, rows)]
        pointers = map(faiss.swig_ptr, (found, *arrays))
        compare(*pointers, queries.shape[1], *rows.shape)
        return found
    for query, candidates, of_query in zip(queries, rows, found, strict=True):
        valid = candidates >= 0
        near = keys[candidates[valid]].astype(np.float32)
        if metric == "cosine":
            of_query[valid] = near @ query
        else:
            of_query[valid] = np.square(near - query).sum(axis=1)
    return found


def k_best(
    squared: np.ndarray, rows: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Select the k smallest of each row, ascending.

    squared, rows (ndarray): Distances and whose they are, shape (n, m ≥ k).
    RETURNS (tuple[ndarray, ndarray]): Likewise, shape (n, k).
    """
    best = np.argpartition(squared, k - 1, axis=1)[:, :k]
    ranks = np.take_along_axis(squared, best, axis=1).argsort(axis=1, kind="stable")
    best = np.take_along_axis(best, ranks, axis=1)
    return np.take_along_axis(squared, best, 1), np.take_along_axis(rows, best, 1)
