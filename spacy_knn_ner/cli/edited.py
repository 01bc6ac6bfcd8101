"""A saved model that is edited in place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import Errors, KnnNerError
from .terminal import find_component, load_pipeline


@contextmanager
def edited(model: str, name: str, gpu: int = -1) -> Iterator[Any]:
    """Load a component, and save its datastore afterwards; nothing else is written, and
    the datastore is locked meanwhile. A shared one is edited where it is.

    model (str): A folder with a pipeline.
    name (str): Of the component.
    gpu (int): GPU id, or −1.
    YIELDS (KnnNer): The component.
    RAISES (KnnNerError): If it is no folder, or another process is saving.
    """
    from ..datastore.disk.manifest import MANIFEST
    from ..datastore.disk.persistence import only_writer

    folder = Path(model) / name / "datastore"
    if not (folder / MANIFEST).exists():
        # The usual reasons, such as that there is no such component.
        nlp = load_pipeline(model, gpu)
        knn = find_component(nlp, name)
        if knn.memory.place.is_shared:
            yield knn
            return
        raise KnnNerError(Errors.E078, path=nlp.path)
    with only_writer(folder):
        knn = find_component(load_pipeline(model, gpu), name)
        yield knn
        knn.to_disk(folder.parent)
