"""Vector indexes, registered as `knn_indexes`.

base.py         what an index is: `VectorIndex`, `IndexFactory`
flat.py         exhaustive search with FAISS     torch.py     with torch, on a GPU too
pca.py          exact, compares principal components first; pairs.py: its inner loops
exact.py        the default: the fastest exact index for a store
faiss.py        approximate, anything that FAISS's index factory makes
rerank.py       candidates → the k nearest in float64
fidelity.py     how often an approximate index gives other tags
"""
