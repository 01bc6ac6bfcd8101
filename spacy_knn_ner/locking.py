"""A re-entrant lock that is made again in copies and forked processes."""

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class Lock:
    """Re-entrant: `with lock: ...`. A copy, or one in another process, is a new one
    that is free."""

    def __init__(self) -> None:
        self._lock, self._pid = threading.RLock(), os.getpid()

    def __enter__(self) -> None:
        if self._pid != os.getpid():  # its holder is in the parent process
            self._lock, self._pid = threading.RLock(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *error: Any) -> None:
        self._lock.release()

    def __reduce__(self) -> Any:
        return Lock, ()


def locked(method: F) -> F:
    """Let one thread at a time run a method, with the `lock` of its object."""

    @wraps(method)
    def holding(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return method(self, *args, **kwargs)

    return cast(F, holding)
