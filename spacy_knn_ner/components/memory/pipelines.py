"""Saving a pipeline over one that is in use, or over itself, in one step.

`nlp.to_disk` writes one file after the other: what is interrupted leaves parts of two
pipelines, which cannot be loaded.
"""

from contextlib import ExitStack
from pathlib import Path

from spacy.language import Language

from ...datastore.disk import saving
from ...datastore.disk.persistence import check_version, only_writer
from ...folders import replaced
from ..knn_ner import KnnNer


def save_pipeline(nlp: Language, folder: str | Path) -> None:
    """Save a pipeline: a reader sees the one that was there, or this one.

    nlp (Language): The pipeline.
    folder (str | Path): Where to; other files that are there stay.
    RAISES (KnnNerError): If another process is saving a datastore there, or has saved
        one since it was loaded; then nothing is changed.
    """
    folder = Path(folder).resolve()
    # Disabled ones are saved too.
    pipes = map(nlp.get_pipe, nlp.component_names)
    all_of_ours = [pipe for pipe in pipes if isinstance(pipe, KnnNer)]
    components = [knn for knn in all_of_ours if not knn.memory.place.is_shared]
    stores = {knn.name: folder / knn.name / "datastore" for knn in components}
    with ExitStack() as stack:
        for knn in components:
            if stores[knn.name].exists():
                stack.enter_context(only_writer(stores[knn.name]))
                based_on = knn.datastore.saved_as.get(stores[knn.name])
                check_version(stores[knn.name], based_on)
        with replaced(folder) as draft:
            nlp.to_disk(draft)
    for knn in components:
        saving.move(knn.datastore, draft / knn.name / "datastore", stores[knn.name])
