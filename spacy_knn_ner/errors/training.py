"""Tags, the tagger, its heads, and contrastive training."""


class TrainingErrors:
    E001 = "Unknown tag scheme {scheme!r}: use one of {known}."
    E002 = (
        "Entity {label!r} at tokens {start}:{end} overlaps another one. An example "
        "holds one layer of entities: keep one of them, or split the example."
    )
    E003 = "Entity at tokens {start}:{end} lies outside its text of {length} tokens."
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
        "{given!r}: the scheme is part of what was learned. Remove the override, or "
        "train again."
    )
    E087 = "reduction={value!r} is not possible: use one of {known}."
    E088 = (
        "The saved model of '{name}' does not fit its config ({reason}). Load it with "
        "the config it was saved with: the same head (spacy_knn_ner.NerTagger.v1 or "
        "CrfTagger.v1), hidden_size and encoder."
    )
    E090 = (
        "There are not two tokens of entities to compare. Use a corpus with more "
        "entities."
    )
    E091 = (
        "The vectors have {found} numbers, and this layer was made for {expected}: put "
        "it on the encoder that it was trained with, or set input_width."
    )
    E092 = (
        "head_learn_rate of '{name}' has no effect with RAdam: use Adam.v1 with "
        "use_radam = false, or head_learn_rate = 1."
    )
