"""The component `knn_ner`: its settings, the encoder, and corrections."""


class ComponentErrors:
    E040 = (
        "{setting}={value!r} is not valid for '{name}': {expected}. Change it in "
        "the config or on the component."
    )
    E041 = (
        "'{name}' reads no output of an encoder on a Doc of {length} tokens "
        "(keys.source = {source!r}). Put it behind a transformer, a tok2vec or a "
        "ner_tagger with an encoder of its own, and do not disable that."
    )
    E042 = (
        "The encoder's vector for token {token!r} (token {i}) is not finite, so its "
        "neighbors would be wrong. Check the encoder; mixed precision can overflow."
    )
    E044 = (
        "The datastore of '{name}' was built with another encoder (or other key "
        "settings) than this pipeline's: {changed}. Distances between the two mean "
        "nothing. Use the encoder the datastore was built with, or make its "
        "entries again with knn.rebuild."
    )
    E045 = (
        "A component merged or split tokens: {expected} became {found}, so '{name}' "
        "cannot align vectors with tokens. Put that component behind '{name}', and "
        "explain Docs as they were before it."
    )
    E046 = (
        "keys.layer={layer} needs the encoder's hidden layers, and the Docs carry "
        "{available}. Set transformer_config.output_hidden_states = true in its config "
        "(spacy-transformers; for a trained pipeline use spacy knn build --layer) or "
        "all_layer_outputs = true "
        "(spacy-curated-transformers)."
    )
    E047 = (
        "keys.pooling={pooling!r} chooses among the word pieces of a token, and "
        '{source} has one vector per token. Use pooling = "mean".'
    )
    E048 = (
        "'{name}' is not part of a pipeline, so it cannot encode text. Add it with "
        "nlp.add_pipe, or load its pipeline."
    )
    E049 = (
        "'{name}' got something that is not a Doc with entities: {found}. Pass Docs, "
        "such as from spacy.tokens.DocBin."
    )
    E050 = (
        "A component before '{name}' failed on {n} of {total} texts, and the "
        "pipeline's error handler dropped them. Nothing was added: fix or leave out "
        "those texts."
    )
    E051 = "The store of '{name}' is empty. Call build first."
    E052 = (
        "The datastore of '{name}' was changed while it was being built. Nothing was "
        "lost and it is as it was: build it again."
    )
    E053 = (
        "The pipeline has no encoder: corrections act by their words alone, and there "
        "can be no store. Put knn_ner behind a transformer, a tok2vec, a ner_tagger or "
        "an ner."
    )
    E054 = (
        "'{name}' cannot read an example from {found}. Give a Doc with entities, a "
        "Span with a label, an Example, a text with its entities (a dict of words and "
        "labels, or start, end and label in characters), or several of these."
    )
    E055 = (
        "{entity!r} does not name words, or the bounds of tokens, and a label, in "
        "{text!r}. A label is a text, or None for no entity."
    )
    E056 = (
        "'{name}' cannot forget {found}. Give ids, what add returned, a part of the "
        "text, or a source."
    )
    E057 = "source={found!r} is no source. Name it with a text that is not empty."
    E064 = "'{name}' has no corrections to tune. Add some with knn.add first."
    E070 = "The text does not have {word!r} as whole tokens; its tokens are {words}."
    E074 = (
        "Cannot rename the label {old_label!r} to {new_label!r}: the datastore has the "
        "labels {known}, and the new one must not be empty."
    )
    E075 = (
        "Specify what to remove from '{name}': example ids, a source, or part of the "
        "text."
    )
    E080 = "{word!r} overlaps another entity that was given. Name only one of them."
    E086 = "weight={value!r} is not valid: expected a number from 0 to 1."
    E114 = (
        "The text {text} has half of a character (a lone surrogate), which no file can "
        "hold. Decode it with the right encoding, or remove that."
    )
    E115 = (
        "A text of {found:,} characters is too long: the pipeline takes {most:,} "
        "(nlp.max_length). Give a part of it."
    )
    E116 = (
        "doc._.{name} is {found}, which no component of this package has left. Remove "
        "it from doc.user_data, or do not store user data."
    )
    E129 = (
        "A component failed on {n} of {total} texts, and the pipeline's error handler "
        "dropped them, so that it is not known whose entities are whose. Leave out "
        "those texts, or the handler."
    )
