"""Reading corpora."""


class CorpusErrors:
    E014 = "bad_lines={value!r} is not possible: use one of {known}."
    E015 = (
        "{path} is in spaCy 2's JSON format for training. Convert it with `spacy "
        "convert`, which writes a .spacy file."
    )
    E016 = (
        "{path} has no token per line (format {format!r}), so scheme, separator and "
        "columns do not apply. Leave them out, or choose another format."
    )
    E017 = "spaCy has no language {lang!r}. Choose another code, such as en, zh or xx."
    E018 = "{n_sents} sentences per Doc are not possible: use 0 for whole documents."
    E019 = "Unknown separator {separator!r}: use one of {known}."
    E020 = (
        "{path}, line {line}: {reason}, in {text!r}. Fix the line, or choose another "
        "format or column."
    )
    E021 = (
        "{path}, line {line}: {tag!r} is no tag of the scheme {scheme}. Fix the line, "
        "or choose another scheme or tag column."
    )
    E022 = (
        "{path} is not the file that was published: its SHA-256 is {found}, "
        "expected {expected}. Delete it and fetch it again."
    )
    E023 = (
        "Could not fetch {url}: {reason}. Without network, set {variable} to a folder "
        "that holds {name}."
    )
    E024 = "{path} cannot be read: {reason}."
    E025 = (
        "{path}: no tag scheme has all of the prefixes {prefixes}. Choose one of "
        "{known}, or another tag column."
    )
    E026 = (
        "{path}, line {line}: {label!r} at token {start} overlaps another entity. An "
        "example holds one layer of entities: keep one of them."
    )
    E027 = "Unknown format {format!r}: use one of {known}."
    E028 = (
        "{path} has sentences outside of marked documents, so Docs cannot be whole "
        "documents. Choose a number of sentences per Doc instead."
    )
    E029 = "{path} holds no sentences to convert."
