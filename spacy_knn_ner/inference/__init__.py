"""Inference on arrays: from p_base and keys to tags and p_final.

predictor.py       the recipe, from top to bottom
retriever.py       neighbors in the store → p_kNN (equation 3)
gate.py            which tokens need a search, and the proof
interpolation.py   p_base and p_kNN → p_final (equation 4)
decoding.py        p_final → the best valid tag sequence
confidence.py      scores of entities, and which are unlike anything stored
explanation.py     the same prediction, for people
"""
