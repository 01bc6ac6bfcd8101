"""The command line, the page, and evaluation."""


class InterfaceErrors:
    E058 = "--span {given!r} is not words=label, nor words= for no entity."
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
    E065 = "Pages and plots need matplotlib: pip install 'spacy-knn-ner[report]'."
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
    E073 = (
        "Nothing was saved: {what} is {found:.2f} after the step '{step}', and the "
        "bound is {bound:.2f}. Compress less, or allow more with {option}."
    )
    E078 = (
        "{path} cannot be edited in place. Load it, save it with nlp.to_disk to a "
        "folder of yours, and name that."
    )
    E079 = "Name either a .spacy file, or --text and its entities with --span."
    E081 = (
        "A text of {found:,} characters is too long for this page: the most is "
        "{most:,}. Paste a part of it, or use nlp.pipe."
    )
    E082 = (
        "There are no tokens {start} to {end} in paragraph {paragraph} of this text. "
        "Tag the text again."
    )
    E083 = "The request must be JSON with {name!r}, of type {kind}."
    E084 = "{feature} needs {package}: pip install 'spacy-knn-ner[{extra}]'."
    E085 = (
        "{path} holds a datastore already, which saving there would replace. Serve "
        "that one, or name another folder."
    )
    E113 = "{host!r} is no host to listen at: {reason}. Use an address of this machine."
    E130 = (
        "The cluster has no {resource} that a worker could use. Start one that has, or "
        "leave out --gpu-id."
    )
    E131 = (
        "{path} has other texts than this command would write, or was annotated by "
        "another pipeline or with another --shard-size. Name another folder."
    )
    E132 = "The token in {name} has other characters than printable ASCII."
    E145 = (
        "{model} needs a function that no installed package registers: {reason}. "
        "Commands find those with an entry point (docs/extending.md)."
    )
