"""A datastore that other processes change too: moved, or away for a while."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...datastore.datastore import Datastore
from ...datastore.home import SharedHome
from ...datastore.place import Place
from ...errors import Errors, KnnNerError, Notes, note
from ...inference.confidence import Calibration
from ..config_blocks import resolve_block

if TYPE_CHECKING:
    from ..knn_ner import KnnNer

logger = logging.getLogger("spacy_knn_ner")

_AWAY = "KNN-E118", "KNN-E125"


def loaded(place: Place) -> Datastore | None:
    """Open the datastore of a pipeline that is loaded.

    place (Place): Keeps it.
    RETURNS (Datastore | None): The datastore, which is empty until it is there again if
        the place goes on without it; None of one that is not shared.
    RAISES (KnnNerError): If there is none, or it is away.
    """
    if not place.is_shared:
        return None
    try:
        return place.open()
    except KnnNerError as error:
        if is_away(error) and place.goes_on:
            return place.attached(creates=False)
        raise


def moved(datastore: Datastore, old: Place, new: Place) -> Datastore:
    """Keep a datastore elsewhere.

    datastore (Datastore): The present one.
    old, new (Place): Where it is kept, and where from now on.
    RETURNS (Datastore): That which the new place has; if it has none, a copy.
    RAISES (KnnNerError): If one of them is away.
    """
    if new.exists():
        return new.open()
    own = _own(datastore, old)
    return new.put(own) if new.is_shared else own


def move(knn: "KnnNer", block: dict[str, Any], *, replaces: bool = False) -> None:
    """Put the datastore of a component somewhere else, and use that from now on.

    knn (KnnNer): The component.
    block (dict[str, Any]): Of a function of `knn_stores`.
    replaces (bool): Also if there is one. Default: False.
    RAISES (KnnNerError): If there is one, or it is away; then nothing changes.
    """
    place = resolve_block(knn.name, "store", block)
    check_free(place, replaces=replaces)
    if place.exists():
        place.put(_own(knn.datastore, knn.memory.place))
    knn.set_settings(store=block)
    knn.make_index()


def check_free(place: Place, *, replaces: bool = False) -> None:
    """Check that no datastore would be replaced.

    place (Place): The place.
    replaces (bool): Whether one may be. Default: False.
    RAISES (KnnNerError): If there is one, or it is away.
    """
    if not replaces and place.exists():
        raise KnnNerError(Errors.E124, name=place)


def _own(datastore: Datastore, place: Place) -> Datastore:
    """A datastore of this process, with the same contents."""
    if not place.is_shared:
        return datastore
    from ...datastore.shared.moving import local_copy

    return local_copy(datastore)


def calibrated(calibration: Calibration, datastore: Datastore) -> Calibration:
    """Use what another process has found out about the keys.

    calibration (Calibration): Of the pipeline.
    datastore (Datastore): A shared one.
    RETURNS (Calibration): With the radius of its corrections, if it is known.
    """
    home = datastore.home
    if not isinstance(home, SharedHome) or home.correction_radius is None:
        return calibration
    return replace(calibration, correction_radius=home.correction_radius)


def is_away(error: Exception) -> bool:
    """Check whether an error says that a shared datastore cannot be reached."""
    return isinstance(error, KnnNerError) and error.code in _AWAY


class Absence:
    """Whether a shared datastore is away, and the tagger predicts alone."""

    def __init__(self) -> None:
        """Begin with one that is there."""
        self.is_away = False

    def allows(self, error: KnnNerError, place: Place) -> bool:
        """Check whether to go on without the datastore; logged once.

        error (KnnNerError): What was raised by reading it.
        place (Place): Keeps it.
        """
        if not is_away(error) or not place.goes_on:
            return False
        if not self.is_away:
            logger.warning(note(Notes.I006, reason=error))
        self.is_away = True
        return True

    def ends(self) -> None:
        """Note that the datastore was read; logged once."""
        if self.is_away:
            logger.warning(note(Notes.I007))
        self.is_away = False
