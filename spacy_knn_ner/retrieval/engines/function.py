"""Any function as an engine, such as the client of a web search."""

from collections.abc import Callable, Sequence

from ...errors import Errors, KnnNerError
from ..base import Engine, Hit

Function = Callable[[str, int], Sequence[str]]


class FunctionEngine:
    """Calls a function with each query."""

    def __init__(self, function: Function) -> None:
        """function (Callable[[str, int], Sequence[str]]): A query and a number → texts,
        the best first."""
        self.function = function

    def search(self, queries: Sequence[str], n: int) -> list[list[Hit]]:
        """Call the function; see `Engine.search`.

        RAISES (KnnNerError): If it returns anything but a list of texts.
        """
        return [self._search(query, n) for query in queries]

    def _search(self, query: str, n: int) -> list[Hit]:
        texts = self.function(query, n)
        is_list = isinstance(texts, Sequence) and not isinstance(texts, str)
        if not is_list or not all(isinstance(text, str) for text in texts):
            raise KnnNerError(Errors.E138, found=repr(texts)[:80])
        return [Hit(text, -float(i)) for i, text in enumerate(texts[:n])]


def as_engine(value: Engine | Function) -> Engine:
    """Make an engine of what a registered function of `knn_engines` has returned.

    value (Engine | Callable): An engine, or a function as for `FunctionEngine`.
    RAISES (KnnNerError): For anything else.
    """
    if isinstance(value, Engine):
        return value
    if not callable(value):
        raise KnnNerError(Errors.E139, found=type(value).__name__)
    return FunctionEngine(value)
