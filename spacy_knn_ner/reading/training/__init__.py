"""Corpora and batches for `spacy train`.

corpus.py          Docs to be predicted, with their contexts
entity_batches.py  batches with entities enough for contrast
view_pairs.py      batches with both views of sentences
"""
