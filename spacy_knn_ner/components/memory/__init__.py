"""The memory of a `knn_ner`: what it holds, and what fills and changes it."""
