"""Every message a user can meet, with a code to search for.

`raise KnnNerError(Errors.E001, scheme="BIOX")` fills in the braces and puts the
code in front. Codes are never reused.
"""

from typing import Any


class KnnNerError(ValueError):
    """Something the user can mend; the message says how.

    code (str): The message's code, such as `"KNN-E001"`.
    """

    def __init__(self, message: str, /, **details: Any) -> None:
        self.code = f"KNN-{_CODES[message]}"
        super().__init__(f"[{self.code}] {message.format(**details)}")


class KnnNerWarning(UserWarning):
    """Something that is probably not what the user meant."""


def warning(message: str, /, **details: Any) -> KnnNerWarning:
    """The warning with its code and details filled in, for `warnings.warn`."""
    return KnnNerWarning(f"[KNN-{_CODES[message]}] {message.format(**details)}")


class Errors:
    # Tags
    E001 = "Unknown tag scheme {scheme!r}: use one of {known}."
    E002 = (
        "Entity {label!r} at tokens {start}:{end} overlaps another one. An example "
        "holds one layer of entities: keep one of them, or split the example."
    )
    E003 = "Entity at tokens {start}:{end} lies outside its text of {length} tokens."

    # The tagger
    E010 = (
        "'{name}' was given no entity label: pass Docs with entities to "
        "nlp.initialize, or call add_label before it."
    )
    E011 = (
        "'{name}' met the label {label!r} in training, which it was not initialized "
        "with. Add it with add_label, or to the labels file of [initialize]."
    )
    E012 = (
        "'{name}' was saved with tag_scheme={saved!r} and cannot be loaded with "
        "{given!r}: the scheme is part of what was learnt. Remove the override, or "
        "train again."
    )

    # Corpora
    E020 = (
        "{path}, line {line}: expected a token and a tag separated by white space, "
        "found {text!r}."
    )
    E021 = "{path}, line {line}: unknown tag {tag!r}. Expected O, or B-… and I-…."
    E022 = (
        "{path} is not the file that was published: its SHA-256 is {found}, "
        "expected {expected}. Delete it and fetch it again."
    )
    E023 = (
        "Could not fetch {url}: {reason}. Without network, set {variable} to a folder "
        "that holds {name}."
    )

    # The datastore
    E030 = "Unknown index {value!r}: use one of {known}."
    E031 = (
        "A key has values that {dtype} cannot hold, so distances to it would be "
        "wrong. Build the datastore with keys of dtype float32."
    )
    E032 = (
        "The datastore in {path} cannot be used: {reason}. Copy it again, or build it "
        "again with knn.build."
    )
    E033 = (
        "The datastore in {path} has format {found}; this version reads {known}. "
        "Install the version of spacy-knn-ner it was made with, or build it again."
    )
    E034 = (
        "Vectors of width {found} do not fit a datastore of width {expected}: they "
        "come from another encoder or layer. Use the encoder the datastore was built "
        "with, or build it again with knn.build."
    )
    E035 = (
        "The datastore uses tag_scheme {stored!r}, the tagger {given!r}. Build the "
        "datastore again with knn.build."
    )
    E036 = (
        "A datastore of {size} bytes does not fit into to_bytes, whose fields hold "
        "4 GiB. Use to_disk."
    )
    E037 = "There is no example with the id {example_id} in the datastore."
    E038 = "Unknown dtype {value!r} for keys: use one of {known}."


class Warnings:
    pass


_CODES = {
    text: code
    for holder in (Errors, Warnings)
    for code, text in vars(holder).items()
    if not code.startswith("_")
}
