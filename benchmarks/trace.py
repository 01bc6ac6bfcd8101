"""The way of one Doc through `knn_ner`: calls, files and moves between files.

A tiny pipeline with a store and one correction predicts one Doc; the package's Python
functions are counted.

python benchmarks/trace.py --list
"""

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import spacy
import typer
from spacy.tokens import Doc, Span
from spacy.training import Example

import spacy_knn_ner

PACKAGE = str(Path(spacy_knn_ner.__file__).parent)
SENTENCES = [
    ("Ada Lovelace lived in London", [(0, 2, "person"), (4, 5, "location")]),
    ("Alan Turing worked at Bletchley Park", [(0, 2, "person"), (4, 6, "location")]),
    ("Nobody came to the party", []),
]


class Trace:
    """Counts the calls of the package's functions."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        ours = code.co_filename.startswith(PACKAGE)
        if event == "call" and ours and not code.co_name.startswith("<"):
            file = code.co_filename[len(PACKAGE) + 1 :]
            self.calls.append((file, code.co_qualname))

    @property
    def n_moves(self) -> int:
        """How often the next call is in another file."""
        steps = zip(self.calls, self.calls[1:], strict=False)
        return sum(one[0] != other[0] for one, other in steps)


def annotated(vocab: Any, text: str, entities: list[tuple[int, int, str]]) -> Doc:
    """A Doc with entities."""
    doc = Doc(vocab, words=text.split())
    doc.set_ents([Span(doc, a, b, label=label) for a, b, label in entities])
    return doc


def main(
    list_calls: Annotated[bool, typer.Option("--list", help="Print them.")] = False,
) -> None:
    """Trace `nlp.get_pipe("knn_ner")(doc)`."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    model = {
        "@architectures": "spacy_knn_ner.NerTagger.v1",
        "tok2vec": {**listener, "upstream": "tok2vec"},
    }
    nlp.add_pipe("ner_tagger", config={"model": model})
    knn: Any = nlp.add_pipe("knn_ner")
    docs = [annotated(nlp.vocab, *sentence) for sentence in SENTENCES]
    nlp.initialize(lambda: [Example(nlp.make_doc(d.text), d) for d in docs])
    knn.build(docs, show_progress=False)
    knn.add([annotated(nlp.vocab, "Ada met Grace", [(2, 3, "person")])])
    nlp("Grace lived in London")  # the index is made
    (doc,) = nlp.pipe(["Grace lived in Paris"], disable=["knn_ner"])
    trace = Trace()
    sys.setprofile(trace)
    knn(doc)
    sys.setprofile(None)
    files = Counter(file for file, _ in trace.calls)
    print(f"{len(trace.calls)} calls, {len(files)} files, {trace.n_moves} moves")
    if list_calls:
        for file, name in trace.calls:
            print(f"{file:<36} {name}")


if __name__ == "__main__":
    typer.run(main)
