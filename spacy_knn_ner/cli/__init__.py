"""The command line: `spacy knn …` and `spacy-knn …`.

app.py        the verbs under one name      attach.py   loaded by spaCy's command line
verbs/        one file per verb             terminal.py, edited.py   what they share
"""
