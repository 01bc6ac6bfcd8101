"""The memory: labelled examples, their keys, search over them, and the kernel.

examples.py     the truth: labelled texts in SQLite
blocks.py       arrays that grow without being copied, or lie mapped on disk
distances.py    the three metrics, in float64
index.py        which vector index? exhaustive.py: all keys are compared; components.py:
                exact too, by a bound, in pairs.py; faiss_index.py: approximate
compression.py  fewer entries that vote as all of them
fidelity.py     how often an approximate index comes to other tags
search.py       what an index proposes → the k nearest, ties and all
tier.py         keys + tags + index
kernel.py       the paper's equations 3 and 4, and the corrections on top
phrases.py      where the words of corrections stand
revision.py     what a later correction leaves of an earlier one
datastore.py    two tiers and the examples behind them: add, correct, forget, relabel
saving.py       its way to disk and back
storage.py      generations and manifest on disk
"""
