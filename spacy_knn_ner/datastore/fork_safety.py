"""Makes `nlp.pipe(n_process=…)` work after the parent process has searched.

FAISS and torch compute with OpenMP threads. A forked child inherits the list of these
threads, but not the threads, and waits for them forever. With OpenMP 5.0 a runtime can
release its resources before the fork; both processes then start new threads.

Several processes that compute with all cores each hinder one another, so a forked child
computes with one thread, unless OMP_NUM_THREADS is set.
"""

import ctypes
import os
import re
from pathlib import Path

_OMP_PAUSE_HARD = 2
_registered = False


def make_fork_safe() -> None:
    """From now on, release all OpenMP threads before this process forks, and let its
    children compute with one thread each.

    Does nothing where there is no fork, or on a second call.
    """
    global _registered
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(before=_pause_openmp, after_in_child=_use_one_thread)


def _pause_openmp() -> None:
    # Refused inside a parallel region; then there is nothing to be done.
    _call_openmp("omp_pause_resource_all", _OMP_PAUSE_HARD)


def _use_one_thread() -> None:
    if "OMP_NUM_THREADS" not in os.environ:
        _call_openmp("omp_set_num_threads", 1)


def _call_openmp(function: str, argument: int) -> None:
    for path in _openmp_libraries():
        try:
            called = getattr(ctypes.CDLL(path), function)
        except (OSError, AttributeError):
            continue
        called(argument)


def _openmp_libraries() -> set[str]:
    maps = Path("/proc/self/maps")
    if not maps.exists():  # not Linux: processes are spawned there by default
        return set()
    lines = maps.read_text(encoding="utf8", errors="surrogateescape").splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if line.count("/") > 0}
    return {path for path in paths if re.search(r"/lib[gi]?omp[^/]*\.so", path)}
