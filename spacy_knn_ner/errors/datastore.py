"""The datastore and its files."""


class DatastoreErrors:
    E030 = (
        "{value!r} is not valid for FAISS's index factory and keys of this width "
        '({reason}). Use one that it knows, such as "IVF1024,SQ8".'
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
    E037 = "There is no example with the id {example_id} in the datastore."
    E038 = "Unknown dtype {value!r} for keys: use one of {known}."
    E071 = (
        "The index {value!r} cannot take {n} keys: {reason}. Use one with fewer "
        "clusters or codes, or spacy_knn_ner.Exact.v1."
    )
    E072 = (
        "'{name}' cannot keep a share of {value} of its redundant entries. Name one "
        "that is more than 0 and at most 1."
    )
    E076 = (
        "{path} was changed by another process after it was loaded, so saving would "
        "undo that. Load it again and repeat your changes, or save to another folder."
    )
    E077 = "{path} is being changed by another process. Try again when it has finished."
    E089 = (
        "No projection of keys can be fitted: no two tokens in the store have the same "
        "tag. Build with more examples, or set keys.projection to null."
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
    E117 = (
        "{path} cannot be written: {reason}. What was saved before is still there. "
        "Make room, or name another folder."
    )
    E118 = (
        "PostgreSQL cannot be used: {reason}. Check that the server runs and has "
        "pgvector, and the address; user and password come from PGUSER and PGPASSWORD, "
        "a password file or a service file."
    )
    E119 = (
        "The URL of a store must not have a password, because it is saved with the "
        "pipeline. For PostgreSQL, use PGPASSWORD, a password file or a service file; "
        "for Qdrant, QDRANT_API_KEY."
    )
    E120 = (
        "There is no store named {name!r} at {url}. Build one with spacy knn build "
        "--store, or name another one."
    )
    E121 = "{name}={value!r} is not valid: expected one of {known}."
    E122 = (
        "PostgreSQL refuses a statement: {reason}. Nothing was changed. Check the "
        "rights of the user, and that only this package changes the store's tables."
    )
    E123 = (
        "A shared store cannot be compressed: every process would lose entries. Keep a "
        "copy with store = spacy_knn_ner.Files.v1, and compress that."
    )
    E124 = (
        "There is a store at {name} already. Name another one (--store-name), or "
        "replace it (--replace)."
    )
    E125 = (
        "Qdrant at {url} cannot be used: {reason}. Check that it runs, and the "
        "address; the key comes from QDRANT_API_KEY."
    )
    E126 = (
        "Qdrant refuses a request: {reason}. Nothing was changed. Check that only this "
        "package changes the store's collections."
    )
    E127 = (
        "Another process is changing the store {name!r}, or has taken over the lock on "
        "it. Nothing was changed. Try it again."
    )
    E128 = (
        "A shared store cannot have the name {name!r}. Use letters (a–z, A–Z), digits, "
        "_ and -, up to 63 of them, and no digit or - at the beginning."
    )
    E133 = (
        "The shared store {name!r} is damaged: {n} entries are without {what}. Restore "
        "a backup, or build it again (--replace)."
    )
