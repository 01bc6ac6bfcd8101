"""The texts of warnings, and of notes in the log. Codes as for errors."""


class Warnings:
    W001 = (
        "{n} of {total} tokens got no vector from the encoder (the first is "
        "{token!r}); they are tagged without neighbors and not stored. Texts longer "
        "than the encoder's limit are cut: use shorter windows in get_spans."
    )
    W002 = (
        "{n} examples have no annotated token with a vector, so they have no entry "
        "and change nothing: {ids}."
    )
    W003 = (
        "'{name}' gets Docs of another pipeline's tagger, so it cannot tell whether "
        "they come from the encoder of its datastore. If it was copied from another "
        "pipeline (source = ...), save and load the new one first."
    )
    W004 = (
        "The index {kind!r} of '{name}' is not faithful: it gives the tags of exact "
        "search in {share:.1%} of cases where neighbors change them. Use another one, "
        "or spacy_knn_ner.Exact.v1."
    )

    W005 = (
        "No component in front of '{name}' is known to leave vectors. Corrections act "
        "by their words alone then, and build needs an encoder: put it behind a "
        "transformer, a tok2vec, a ner_tagger or an ner."
    )


class Notes:
    """For the log."""

    I001 = (
        "The weight of neighbors is {weight:g}: from 0.5 on they can change every tag, "
        "so every token is looked up."
    )
    I002 = (
        "The index {made!r} is searched on the CPU. On the GPU that spaCy uses, "
        "spacy_knn_ner.Exact.v1 and spacy_knn_ner.Torch.v1 compare all keys."
    )
    I003 = "Made the index {kind!r} of {n} keys."
    I004 = (
        "Calibrating the index {kind!r} before its first search; knn.make_index() does "
        "that earlier."
    )
    I005 = (
        "'{name}' found no contexts, so texts are read without them until a search "
        "succeeds: {reason}"
    )
    I006 = "The components in front predict alone until the store is back: {reason}"
    I007 = "The store is back."
