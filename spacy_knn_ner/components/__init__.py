"""What a user adds to a pipeline: one factory a file, and what they share.

tagger_factory.py   the factory `ner_tagger`    ner_tagger.py   the trainable tagger
token_contrast.py   the factory `token_contrast`: NerCo's stage one
factory.py          the factory `knn_ner`       config_blocks.py   its registered parts
knn_ner.py          what it makes: read, predict, annotate
predicting.py            what predicts, made of settings and memory
annotating.py       a prediction → `doc.ents` and scores
unaffected.py       Docs that nothing in the memory can change
explaining.py       why these are the entities of a Doc
teaching.py         corrections: before, after, and taken back
memory/             the datastore of a component, and everything that changes it:
                    building.py, editing.py, projecting.py
extensions.py       `span._.knn_score` and `span._.knn_unknown`
compressing.py      a smaller store with the same votes
"""
