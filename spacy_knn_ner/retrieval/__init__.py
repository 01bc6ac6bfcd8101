"""Retrieval of contexts (CL-NER, Wang et al. 2021): sentence → queries → texts of an
engine → without known texts → re-ranked.

base.py         what an engine and a re-ranker are
queries.py      long sentences are several queries
known_texts.py  texts that must not come back, such as test data
find.py         all of it
limited.py      within a time limit
"""
