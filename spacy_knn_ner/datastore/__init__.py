"""The datastore: annotated examples, entries made from them, and search over them.

datastore.py      two parts, the store and the corrections: add, forget, relabel
examples.py       the annotated texts, in SQLite
entries.py        keys, tags and tokens, and the index over them
encoding.py       annotated texts → tags and vectors  rows.py  columns of entries
distribution.py   equation 3: neighbors → p_kNN       all_votes.py  with k = null
index/            vector indexes, and exact re-ranking of what they propose
distances.py      the three metrics, in float64
merging.py        fewer entries with the same votes
blocks.py         arrays that grow without being copied, or are mapped from disk
disk/             files: generations, their manifest, what is verified when
"""
