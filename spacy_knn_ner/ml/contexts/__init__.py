"""Views: a sentence and the texts that it is read together with (CL-NER, Wang et al.
2021).

on_docs.py  what is on a Doc: `doc._.contexts`
pieces.py   how many word pieces a word has
views.py    which tokens are read together
buckets.py  texts of similar length are encoded together
outputs.py  what an encoder says of a view → what it says of the Doc
layer.py    the layer around an encoder: `spacy_knn_ner.WithContexts.v1`
"""
