"""Views, the search for contexts, and training in both views."""


class ContextErrors:
    E093 = (
        "doc._.contexts must be a list of texts, or of dicts with 'text', 'kind' "
        "('retrieved', 'before' or 'after') and 'start' (the first token of a "
        "sentence, or None); found {found}."
    )
    E094 = "view={value!r} is not valid: expected 'auto', 'plain' or 'context'."
    E095 = "{name}={value!r} is not valid: expected a whole number from 1 up."
    E096 = (
        "view = 'context', but no component has searched for contexts of {text!r}: put "
        "a context_retriever in front, set doc._.contexts or sentence starts, or use "
        "view = 'auto'."
    )
    E097 = (
        "{value} is not valid: loss is one of {losses}; temperature is above 0, and "
        "weights are 0 or more."
    )
    E098 = "The corpus has no path: set --paths.train and --paths.dev."
    E099 = (
        "There is no full-text index in {path}: build one with spacy knn contexts "
        "build. If it has moved, load the pipeline in Python with its new path as "
        "components.context_retriever.engine.path in config, and save it again."
    )
    E100 = (
        "{path}, line {line}: expected a JSON object with 'text' and a list of "
        "'contexts'."
    )
    E101 = (
        "The search for contexts failed, and without them nothing is stored, trained "
        "or evaluated: {reason}. Try again when the engine works."
    )
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
    E134 = (
        "One view of a Doc is in this batch without the other: set "
        "training.accumulate_gradient to 1, and let "
        "spacy_knn_ner.batch_both_views.v1 make views, not the training corpus."
    )
    E135 = (
        "{path} is not empty, and has no full-text index: name a new folder, or one "
        "that spacy knn contexts build has made."
    )
    E136 = (
        "The full-text index {path} cannot be used. It may be in use by another "
        "process, damaged, or in a folder that is not writable: {reason}"
    )
    E137 = "time_limit={value!r} is not valid: expected seconds above 0, or None."
    E138 = "An engine's function must return a list of texts; found {found}."
    E139 = (
        "An engine must have a method search, or be a function (query, n) → texts; "
        "found {found}."
    )
    E140 = (
        "An engine's search must return a list of hits for each query: {n} for "
        "{expected} queries."
    )
    E141 = (
        "The full-text engine has no path: set path to a folder of spacy knn contexts "
        "build, or choose another engine."
    )
    E142 = (
        "A context starts at token {start}, and the Doc has {n}: start is the first "
        "token of a sentence, or None."
    )
    E143 = (
        "{name!r} is behind {encoder!r}, which has read the Doc without the contexts "
        "that it finds: add it in front, with before={encoder!r}."
    )
    E144 = (
        "{other!r} marks sentences behind {name!r}, which has searched for those in "
        "front already: add {name!r} behind it, with after={other!r}."
    )
