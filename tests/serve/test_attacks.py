"""What a page of another site can do to a served pipeline: nothing."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import spacy
from browser import browser, needs_chromium, serving

pytestmark = [needs_chromium, pytest.mark.slow]

# The attacker's name resolves to this machine (DNS rebinding).
REBOUND = "--host-resolver-rules=MAP evil.example 127.0.0.1"
NAME, VALUE = '{"text": "Ada", "paragraph": 0, "start": 0, "end": 1, "label": "x', '"}'
FORM = f"""
<form method=post enctype="text/plain" action="ADDRESS/api/corrections">
<input name='{NAME}' value='{VALUE}'>
</form><iframe src="ADDRESS/"></iframe><script src="ADDRESS/api/about"></script>
"""
FETCH = """async (address) => {
  const tokens = {paragraph: 0, start: 0, end: 1};
  const body = JSON.stringify({text: "Ada", label: "x", ...tokens});
  const tries = [
    {method: "POST", mode: "no-cors", body},
    {method: "POST", mode: "cors", body, headers: {"Content-Type": "application/json"}},
    {method: "GET", mode: "cors", credentials: "include"},
    {method: "DELETE", mode: "cors"},
  ];
  const read = [];
  for (const options of tries) {
    try {
      const answer = await fetch(`${address}/api/corrections`, options);
      const text = await answer.text();
      if (text) { read.push(text); }
    } catch (error) { }
  }
  return read;
}"""


@pytest.fixture
def folder(tmp_path):
    nlp = spacy.blank("en")
    knn = nlp.add_pipe("knn_ner", config={"keys": {"source": "words"}})
    knn.teach("Ada met Alan", {"Ada": "PERSON"})
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


@contextmanager
def site(page):
    """Another site, which serves one page. Yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def corrections(launched, address):
    """What the page itself lists."""
    page = launched.new_page()
    page.goto(address)
    script = "async () => (await (await fetch('api/corrections')).json()).count"
    return page.evaluate(script)


def test_a_site_whose_name_resolves_to_this_machine_is_refused(folder):
    with serving(folder) as address, browser(REBOUND) as launched:
        port = urlsplit(address).port
        page = launched.new_page()
        answer = page.goto(f"http://evil.example:{port}/")
        assert answer.status == 403
        script = "async (path) => (await fetch(path)).status"
        for path in ("/api/about", "/api/corrections"):
            assert page.evaluate(script, path) == 403
        assert corrections(launched, address) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_forms_requests_frames_and_scripts_of_another_site_do_nothing(folder, host):
    with serving(folder) as address, browser(REBOUND) as launched:
        with site(FORM.replace("ADDRESS", address)) as port:
            page = launched.new_page()
            page.goto(f"http://{host}:{port}/")
            assert page.evaluate(FETCH, address) == []  # nothing can be read
            (frame,) = page.frames[1:]
            assert not frame.query_selector("#paragraphs")
            assert "paragraphs" not in frame.content()
            with page.expect_navigation() as navigation:
                page.evaluate("document.forms[0].submit()")
            assert navigation.value.status == 403
        assert corrections(launched, address) == 1


def test_beyond_this_machine_the_token_opens_the_page(folder):
    with serving(folder, "--host", "0.0.0.0") as address, browser() as launched:
        address = address.replace("0.0.0.0", "127.0.0.1")
        page = launched.new_page()
        page.goto(address.split("?")[0])
        status = "async () => (await fetch('api/about')).status"
        assert page.evaluate(status) == 401
        page.goto(address)
        assert "token" not in page.url
        assert page.evaluate(status) == 200
