"""Reading: Docs ⇄ arrays.

batch.py           Docs → a TokenBatch: p_base and keys
vectors.py         what an encoder left on a Doc → keys
tagger_output.py   what a tagger left on a Doc → p_base
annotations.py     doc.ents ⇄ spans, tags and annotated texts
stages.py          several `knn_ner` in one pipeline
rulers.py          entities that rulers have set
given.py           what users give as examples → annotated Docs
encoder.py         annotated texts → keys, by the components in front
find_encoder.py    which part of a pipeline the vectors come from
fingerprint.py     everything that shapes a vector
view.py            which view of sentences is read
cache.py           encodings on disk, for build, tune and evaluate
training/          corpora and batches for `spacy train`
"""
