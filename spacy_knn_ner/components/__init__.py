"""What a user adds to a pipeline: one factory a file, and what they share.

ner_tagger.py    the factory `ner_tagger`, a trainable tagger
factory.py       the factory `knn_ner`        config_blocks.py   its registered parts
knn_ner.py       what it makes: read, predict, annotate
annotating.py    a prediction → `doc.ents` and scores
unaffected.py    Docs that nothing in the memory can change
explaining.py    why these are the entities of a Doc
teaching.py      corrections: before, after, and taken back
memory.py        the datastore of a component, and everything that changes it
building.py      fill the store from a corpus        editing.py   add and forget
extensions.py    `span._.knn_score` and `span._.knn_unknown`
compressing.py   a smaller store with the same votes
"""
