"""A re-entrant lock that is made again in copies and forked processes."""

import os
import threading
from typing import Any


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
