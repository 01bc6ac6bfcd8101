"""The memory: labelled examples, their keys, search over them, and the kernel.

examples.py   the truth: labelled texts in SQLite
blocks.py     arrays that grow without being copied, or lie mapped on disk
distances.py  the three metrics, in float64
index.py      vector indexes: exact search with FAISS or torch
tier.py       keys + tags + index: exact neighbors, ties and all
kernel.py     the paper's equations 3 and 4, and the corrections on top
datastore.py  two tiers and the examples behind them: add, forget, vote
storage.py    generations and manifest on disk
"""
