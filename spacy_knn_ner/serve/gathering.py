"""Requests that arrive at the same time, predicted together."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from spacy.language import Language
from spacy.tokens import Doc

from ..locking import Lock
from ..reading.texts import pipe_texts
from .schemas import Entity

# Texts that are predicted at once, and their characters.
_MOST, _MOST_CHARACTERS = 256, 1 << 20


@dataclass(frozen=True)
class _Request:
    texts: list[str]
    entities: "Future[list[list[Entity]]]" = field(default_factory=Future)


class Gathering:
    """Predicts the texts of many threads: the first one that gets the pipeline predicts
    for all that wait, with one call of `nlp.pipe`."""

    def __init__(self, nlp: Language, lock: Lock) -> None:
        """nlp (Language): The pipeline.
        lock (Lock): Held while it is used.
        """
        self._nlp, self._lock = nlp, lock
        self._waiting: deque[_Request] = deque()

    def entities(self, texts: list[str]) -> list[list[Entity]]:
        """Predict the entities of texts.

        texts (list[str]): Of one request.
        RETURNS (list[list[Entity]]): Per text. Raises what the pipeline raises.
        """
        request = _Request(texts)
        self._waiting.append(request)
        with self._lock:
            while not request.entities.done():
                self._predict(self._next())
        return request.entities.result()

    def _next(self) -> list[_Request]:
        """The requests that have waited longest."""
        taken = [self._waiting.popleft()]
        texts = [*taken[0].texts]
        while self._waiting:
            texts += self._waiting[0].texts
            if len(texts) > _MOST or sum(map(len, texts)) > _MOST_CHARACTERS:
                break
            taken.append(self._waiting.popleft())
        return taken

    def _predict(self, requests: list[_Request]) -> None:
        texts = [text for request in requests for text in request.texts]
        try:
            with self._nlp.memory_zone():  # words of texts are not kept
                found = [entities_of(doc) for doc in pipe_texts(self._nlp, texts)]
        except Exception as error:
            if len(requests) == 1:
                requests[0].entities.set_exception(error)
                return
            for request in requests:  # one of them is the reason
                self._predict([request])
            return
        for request in requests:
            n = len(request.texts)
            request.entities.set_result(found[:n])
            found = found[n:]


def entities_of(doc: Doc) -> list[Entity]:
    """List the entities of a Doc.

    doc (Doc): With `doc.ents`.
    """
    return [
        Entity(
            start=ent.start_char,
            end=ent.end_char,
            text=ent.text,
            label=ent.label_,
            score=ent._.knn_score,
        )
        for ent in doc.ents
    ]
