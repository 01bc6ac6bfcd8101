"""A search within a time limit, whatever the engine does."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import Thread
from typing import Any

from .base import Hit

Search = Callable[[Sequence[str]], list[list[Hit]]]


class LimitedSearch:
    """Runs one search at a time in a thread, which is left alone after the limit."""

    def __init__(self) -> None:
        self._running: tuple[int, Future[list[list[Hit]]]] | None = None

    def __reduce__(self) -> Any:
        """For other processes: a search stays where it is."""
        return LimitedSearch, ()

    def run(
        self, search: Search, sentences: Sequence[str], seconds: float | None
    ) -> list[list[Hit]]:
        """Search.

        search (Callable): As `Finder.search`.
        sentences (Sequence[str]): Its argument.
        seconds (float | None): The limit; None: no limit, and no thread.
        RETURNS (list[list[Hit]]): What it returns.
        RAISES (TimeoutError): After the limit, or while the last search goes on.
        RAISES (Exception): As the search does.
        """
        if seconds is None:
            return search(sentences)
        if self._running is not None:
            process, last = self._running
            # The thread of another process never ends in one that was forked.
            if process == os.getpid() and not last.done():
                raise TimeoutError("the last search has not ended")
        found: Future[list[list[Hit]]] = Future()
        self._running = os.getpid(), found

        def work() -> None:
            try:
                found.set_result(search(sentences))
            except Exception as error:
                found.set_exception(error)
            except BaseException as error:  # such as a library's panic
                found.set_exception(RuntimeError(repr(error)))

        # One that takes too long does not keep the process from ending.
        Thread(target=work, name="context search", daemon=True).start()
        try:
            return found.result(seconds)
        except FutureTimeout as error:
            if found.done():  # the engine's own
                raise
            raise TimeoutError(f"no answer within {seconds:g} s") from error
