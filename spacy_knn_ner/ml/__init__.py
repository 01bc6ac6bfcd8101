"""Numbers only: models, losses and layers that know no Doc beyond their tok2vec.

heads.py        the tagger's model (equation 1), and what its scores mean
crf_head.py     the same with a CRF      crf.py   its sums over sequences
contrast.py     NerCo's loss, and that of votes
projection.py   a linear projection of keys, fitted by contrast
layers.py       trainable layers on a frozen encoder
extras.py       what is installed
"""
