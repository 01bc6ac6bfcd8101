"""The texts. A name is a code, and is never used for another text."""


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
        "{given!r}: the scheme is part of what was learned. Remove the override, or "
        "train again."
    )

    # Contexts
    E093 = (
        "doc._.contexts must be a list of texts, or of dicts with 'text', 'kind' "
        "('retrieved', 'before' or 'after') and 'start' (the first token of a "
        "sentence, or None); found {found}."
    )
    E094 = "view={value!r} is not valid: expected 'auto', 'plain' or 'context'."
    E095 = "{name}={value!r} is not valid: expected a whole number from 1 up."
    E096 = (
        "view = 'context', but no component has searched for contexts of {text!r}: put "
        "a context_retriever in front, set doc._.contexts, or use view = 'auto'."
    )
    E097 = (
        "{value} is not valid: loss is one of {losses}; temperature is above 0, and "
        "weights are 0 or more."
    )
    E098 = "The corpus has no path: set --paths.train and --paths.dev."
    E099 = (
        "There is no full-text index in {path}: build one with spacy knn contexts "
        "build, and set the path of the engine."
    )
    E100 = (
        "{path}, line {line}: expected a JSON object with 'text' and a list of "
        "'contexts'."
    )
    E101 = "The search for contexts failed: {reason}"
    E102 = (
        "The search server has no usable URL: set url or SEARCH_URL, without a "
        "password in it (use SEARCH_USER and SEARCH_PASSWORD, or SEARCH_API_KEY)."
    )
    E103 = "part={value!r} is not valid: expected one of {parts}."
    E104 = (
        "view={view!r} has no effect: no encoder of this pipeline reads contexts "
        "(spacy_knn_ner.WithContexts.v1)."
    )
    E105 = "{path}, line {line}: expected a JSON object with 'text'."
    E106 = "The corpus cannot run {names}: the pipeline has {found}."
    E107 = (
        "Both views of a Doc need vectors of their own: encode = [...] of the corpus "
        "reads each Doc once, so leave it out where spacy_knn_ner.batch_both_views.v1 "
        "makes views."
    )
    E108 = (
        "An encoder that reads contexts (spacy_knn_ner.WithContexts.v1) cannot replace "
        "listeners: keep it as a component of its own."
    )
    E109 = "The encoder {encoder!r} of BERTScore cannot be loaded: {reason}"

    # Corpora
    E092 = (
        "head_learn_rate of '{name}' has no effect with RAdam: use Adam.v1 with "
        "use_radam = false, or head_learn_rate = 1."
    )
    E091 = (
        "The vectors have {found} numbers, and this layer was made for {expected}: put "
        "it on the encoder that it was trained with, or set input_width."
    )
    E090 = (
        "There are not two tokens of entities to compare. Use a corpus with more "
        "entities."
    )
    E089 = (
        "No projection of keys can be fitted: no two tokens in the store have the same "
        "tag. Build with more examples, or set keys.projection to null."
    )
    E088 = (
        "The saved model of '{name}' does not fit its config ({reason}). Load it with "
        "the config it was saved with: the same head (spacy_knn_ner.NerTagger.v1 or "
        "CrfTagger.v1), hidden_size and encoder."
    )
    E087 = "reduction={value!r} is not possible: use one of {known}."
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

    # The datastore
    E030 = (
        "{value!r} is not valid for FAISS's index factory and keys of this width "
        '({reason}). Use one that it knows, such as "IVF1024,SQ8".'
    )
    E071 = (
        "The index {value!r} cannot take {n} keys: {reason}. Use one with fewer "
        "clusters or codes, or spacy_knn_ner.Exact.v1."
    )
    E072 = (
        "'{name}' cannot keep a share of {value} of its redundant entries. Name one "
        "that is more than 0 and at most 1."
    )
    E073 = (
        "Nothing was saved: {what} is {found:.2f} after the step '{step}', and the "
        "bound is {bound:.2f}. Compress less, or allow more with {option}."
    )
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
    E110 = "These are not the bytes of a datastore: {reason}. Serialize it again."
    E111 = (
        "The examples of the datastore cannot be read or changed: {reason}. Nothing "
        "was changed. Check that the disk has room, or load the pipeline again."
    )
    E112 = (
        "The calibration in {path} cannot be read: {reason}. Copy the pipeline again, "
        "or calibrate it again with spacy knn tune."
    )
    E037 = "There is no example with the id {example_id} in the datastore."
    E038 = "Unknown dtype {value!r} for keys: use one of {known}."

    # The component knn_ner
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
        "nothing. Use the encoder the datastore was built with, or build it again "
        "with knn.build."
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
    E058 = "--span {given!r} is not words=label, nor words= for no entity."

    # The command line
    E060 = (
        "The pipeline has no knn_ner named {name!r}; its components are {found}. Add "
        "one with spacy knn build, or name another component with --name."
    )
    E061 = (
        "{path} is not a valid .spacy file. Make one with spacy knn convert, or with "
        "DocBin.to_disk."
    )
    E062 = (
        "--leave-one-out needs Docs that the store of '{name}' was built from, and "
        "this one is not in it: {text!r}. Pass those Docs, or omit --leave-one-out."
    )
    E063 = "There is nothing to encode: no Doc has a token."
    E064 = "'{name}' has no corrections to tune. Add some with knn.add first."
    E066 = (
        "There is nothing to build from: {path} has no annotated token that the "
        "encoder makes a vector of. Nothing was written."
    )
    E067 = (
        "There is nothing to score: no token of these Docs is annotated. Pass Docs "
        "with entities, or with set_ents([]) where there are none."
    )
    E068 = "There is no GPU {gpu} to use: {reason}. Use --gpu-id -1 for the CPU."
    E069 = "{path} is not what --shares expects: a JSON list of share, tagger, mixture."
    E078 = (
        "{path} cannot be edited in place. Load it, save it with nlp.to_disk to a "
        "folder of yours, and name that."
    )
    E080 = "{word!r} overlaps another entity that was given. Name only one of them."
    E079 = "Name either a .spacy file, or --text and its entities with --span."
    E074 = (
        "Cannot rename the label {old_label!r} to {new_label!r}: the datastore has the "
        "labels {known}, and the new one must not be empty."
    )
    E075 = (
        "Specify what to remove from '{name}': example ids, a source, or part of the "
        "text."
    )
    E076 = (
        "{path} was changed by another process after it was loaded, so saving would "
        "undo that. Load it again and repeat your changes, or save to another folder."
    )
    E077 = "{path} is being changed by another process. Try again when it has finished."
    E081 = (
        "A text of {found:,} characters is too long for this page: the most is "
        "{most:,}. Paste a part of it, or use nlp.pipe."
    )
    E082 = (
        "There are no tokens {start} to {end} in paragraph {paragraph} of this text. "
        "Tag the text again."
    )
    E085 = (
        "{path} holds a datastore already, which saving there would replace. Serve "
        "that one, or name another folder."
    )
    E113 = "{host!r} is no host to listen at: {reason}. Use an address of this machine."
    E117 = (
        "{path} cannot be written: {reason}. What was saved before is still there. "
        "Make room, or name another folder."
    )
    E116 = (
        "doc._.{name} is {found}, which no component of this package has left. Remove "
        "it from doc.user_data, or do not store user data."
    )
    E115 = (
        "A text of {found:,} characters is too long: the pipeline takes {most:,} "
        "(nlp.max_length). Give a part of it."
    )
    E114 = (
        "The text {text} has half of a character (a lone surrogate), which no file can "
        "hold. Decode it with the right encoding, or remove that."
    )
    E083 = "The request must be JSON with {name!r}, of type {kind}."
    E086 = "weight={value!r} is not valid: expected a number from 0 to 1."
    E084 = "{feature} needs {package}: pip install 'spacy-knn-ner[{extra}]'."
    E070 = "The text does not have {word!r} as whole tokens; its tokens are {words}."
    E065 = "Pages and plots need matplotlib: pip install 'spacy-knn-ner[report]'."
