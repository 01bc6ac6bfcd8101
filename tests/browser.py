"""`spacy knn serve` in a process of its own, and its page in Chromium."""

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def serving(folder, *options):
    """The verb, in a process of its own. Yields its address."""
    code = "from spacy_knn_ner.cli.app import app; app()"
    command = [sys.executable, "-uc", code, "serve", str(folder), "--port", "0"]
    command += options
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


@contextmanager
def browser(*options):
    """Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        arguments = [*OPTIONS, *options]
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@contextmanager
def opened(address, **viewport):
    """A page in a browser, on which nothing went wrong."""
    wrong = []
    with browser() as launched:
        page = launched.new_page(viewport=viewport)
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: wrong.append(error))
        page.on("console", lambda m: m.type == "error" and wrong.append(m.text))
        page.goto(address)
        yield page
    # That the server refused something is said on the page, too.
    assert not [text for text in wrong if "400 (bad request)" not in str(text).lower()]


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
