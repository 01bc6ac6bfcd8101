"""Evaluation: tuning, scores, audits and reports.

corpus.py         the entities of a corpus as arrays     metrics.py   F1, calibration
leave_one_out.py  neighbors of a corpus, without those of a token's own document
tuning.py         settings chosen on development data    calibration.py   of scores
report.py         everything about a pipeline, as JSON: breakdowns.py, changes.py,
                  significance.py                        card.py   a model card
geometry.py       how far the vectors of types are apart
audit.py          annotation errors      compression_cost.py   of smaller stores
"""
