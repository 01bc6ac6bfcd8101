"""Any function as an engine, such as the client of a web search."""

from collections.abc import Callable, Sequence

from ..base import Engine, Hit

Function = Callable[[str, int], Sequence[str]]


class FunctionEngine:
    """Calls a function with each query."""

    def __init__(self, function: Function) -> None:
        """function (Callable[[str, int], Sequence[str]]): A query and a number → texts,
        the best first."""
        self.function = function

    def search(self, queries: Sequence[str], n: int) -> list[list[Hit]]:
        """Call the function; see `Engine.search`."""
        return [
            [Hit(text, -float(i)) for i, text in enumerate(self.function(query, n))]
            for query in queries
        ]


def as_engine(value: Engine | Function) -> Engine:
    """Make an engine of what a registered function of `knn_engines` has returned.

    value (Engine | Callable): An engine, or a function as for `FunctionEngine`.
    """
    return value if hasattr(value, "search") else FunctionEngine(value)
