"""Corrections: what people added, and where it applies.

matching.py      which corrections apply to which tokens
same_words.py    where the words of a text occur in corrections and in the store
phrase_index.py  words → entries
conflicts.py     which of two contradicting corrections counts
"""
