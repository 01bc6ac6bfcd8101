"""Corrections: what people added, and where it applies.

matching.py        which corrections apply to which spans, and their votes
own_sentences.py   what holds in the sentence of a correction itself
occurrences.py     the spans that corrections may apply to, and distances
same_words.py      where their words are annotated, and as what
borders.py         where a phrase seems to go on
capitals.py        whether a word is written as it was taught
radius.py          how far apart the same words are
other_words/       corrections that apply to other words, for new types
conflicts.py       which of two contradicting statements counts
revising.py        adding; what earlier corrections lose, and get back
outcome.py         what became of a correction that was added
phrase_index.py    words → entries
taught.py          phrases and sentences
texts.py           words and lines of a text
"""
