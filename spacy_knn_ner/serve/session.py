"""The backend of the web page: requests to a pipeline, with plain values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..components.knn_ner import KnnNer
from ..components.memory.pipelines import save_pipeline
from ..corrections.outcome import Added
from ..datastore.datastore import CORRECTIONS
from ..datastore.disk.manifest import MANIFEST
from ..errors import Errors, KnnNerError
from ..locking import Lock
from ..reading.annotations import trimmed
from ..reading.texts import pipe_texts
from ..types import StoredExample, check_unicode

LONGEST = 20_000  # characters of a text
SOURCE = "serve"  # of what is added here, by default
_NEIGHBORS = 8  # shown per token, of each kind
_LISTED = 50  # corrections on the page


class Session:
    """One pipeline, used by one request at a time.

    A text is tagged line by line: each is a Doc, so that a correction keeps the
    paragraph that it was made in, and not all of a long text.
    """

    def __init__(
        self,
        nlp: Language,
        knn: KnnNer,
        *,
        output: Path | None = None,
        source: str = SOURCE,
    ) -> None:
        """nlp (Language): The pipeline.
        knn (KnnNer): Its component.
        output (Path | None): A folder for the whole pipeline. Default: only the
            datastore is saved, where the pipeline was loaded from.
        source (str): Of what is added. Default: "serve".
        RAISES (KnnNerError): If `output` holds another datastore.
        """
        self.nlp, self.knn = nlp, knn
        self.output, self.source = output, source
        self.unsaved = 0  # changes
        self._undone_next: list[Added] = []
        self.lock = Lock()
        self._saved = False
        self._check_output()

    def _check_output(self) -> None:
        """Refuse to replace another datastore."""
        if self.output is not None and not self._saved:
            own = self.nlp.path and Path(self.nlp.path).resolve()
            taken = (self.output / self.knn.name / "datastore" / MANIFEST).exists()
            if taken and self.output.resolve() != own:
                raise KnnNerError(Errors.E085, path=self.output)

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return f"{self.nlp.meta['lang']}_{self.nlp.meta['name']}"

    def about(self) -> dict[str, Any]:
        """Describe the pipeline: `model`, `labels`, `corrections` (how many), `unsaved`
        changes, whether there is something to undo (`can_undo`), and the folder that
        `save` writes to."""
        labels = set(self.knn.labels)
        for name, factory in self.nlp.pipe_factories.items():
            if factory in ("ner", "ner_tagger"):
                labels.update(self.nlp.pipe_labels.get(name, ()))
        return {
            "can_undo": bool(self._undone_next),
            "model": self.name,
            "labels": sorted(labels),
            "corrections": len(self.knn.datastore.examples.ids(CORRECTIONS)),
            "unsaved": self.unsaved,
            "folder": str(self.output or self.nlp.path or ""),
        }

    # --- tagging -----------------------------------------------------------

    def tag(self, text: str) -> dict[str, Any]:
        """Predict the entities of a text.

        text (str): Each line with something in it is a paragraph.
        RETURNS (dict): `paragraphs`, each with `tokens` (text, and whether a space
            follows) and `entities` (start, end, label, score).
        RAISES (KnnNerError): If it is too long.
        """
        docs = pipe_texts(self.nlp, _paragraphs(text))
        return {"paragraphs": [_paragraph(doc) for doc in docs]}

    def explain(self, text: str, paragraph: int, start: int, end: int) -> dict:
        """Explain why tokens are an entity, or why not.

        text (str): As for `tag`.
        paragraph (int): Which of its paragraphs.
        start, end (int): First token, and the token after the last.
        RETURNS (dict): `tokens`, each of them a `TokenExplanation`.
        RAISES (KnnNerError): If there are no such tokens.
        """
        doc, start, end = self._span(text, paragraph, start, end)
        explanation = self.knn.explain(doc[start:end], n=_NEIGHBORS)
        tokens = [t for t in explanation.tokens if not doc[t.i].is_space]
        return {"tokens": [asdict(token) for token in tokens]}

    def _span(
        self, text: str, paragraph: int, start: int, end: int
    ) -> tuple[Doc, int, int]:
        """A paragraph, and tokens that are in it, without whitespace around them."""
        paragraphs = _paragraphs(text)
        if 0 <= paragraph < len(paragraphs):
            doc = self.nlp(paragraphs[paragraph])
            inside = 0 <= start < end <= len(doc)
            for first, last, _ in trimmed(doc, [(start, end, "")] if inside else []):
                return doc, first, last
        raise KnnNerError(Errors.E082, start=start, end=end, paragraph=paragraph)

    # --- correcting --------------------------------------------------------

    def correct(
        self, text: str, paragraph: int, start: int, end: int, label: str
    ) -> dict[str, Any]:
        """Add a correction: what some tokens are.

        text, paragraph, start, end: As for `explain`.
        label (str): Of the entity that they are; empty: they are none. The rest of
            predicted entities that overlap them is none, too.
        RETURNS (dict): `example_ids` of what was added, and in words what has become of
            it (`outcome`).
        RAISES (KnnNerError): If there are no such tokens.
        """
        doc, start, end = self._span(text, paragraph, start, end)
        label = label.strip()
        check_unicode(label)
        span = Span(doc, start, end, label=label)
        outside = [
            doc[i : i + 1]
            for ent in doc.ents
            if ent.start < end and start < ent.end
            for i in range(ent.start, ent.end)
            if not start <= i < end
        ]
        if not label:
            outside.append(span)
        doc.set_ents([span] if label else [], outside=outside, default="missing")
        added = self.add([doc], self.source)
        if _has_changed(added):
            self._undone_next.append(added)
        return {"example_ids": added.ids, "outcome": added.text}

    def undo(self) -> dict[str, Any]:
        """Take back the last correction that was added here, and is still there.

        RETURNS (dict): Its words (`undone`); empty if there is none.
        """
        while self._undone_next:
            added = self._undone_next.pop()
            there = set(self.knn.datastore.examples.ids(CORRECTIONS))
            if there.issuperset(added.ids):
                spans = [span for o in added.outcomes for span in o.spans]
                words = [s.text for s in spans if s.label] or [s.text for s in spans]
                with self._changing():
                    self.knn.forget(added)
                return {"undone": ", ".join(words)}
        return {"undone": ""}

    def corrections(self, query: str = "") -> dict[str, Any]:
        """List the corrections, the last first.

        query (str): Only what has this in its text, its labels or its source, in
            upper or lower case. Default: everything.
        RETURNS (dict): `corrections`, 50 of them at most, and their `count`.
        """
        count, found = self.find(query, 0, _LISTED)
        return {"count": count, "corrections": [*map(_correction, found)]}

    def find(
        self, query: str, first: int, most: int
    ) -> tuple[int, list[StoredExample]]:
        """Find corrections, the last first; see `corrections`.

        first, most (int): From which one on, and how many.
        RETURNS (tuple[int, list[StoredExample]]): How many there are in all, and those.
        """
        wanted, page = query.strip().casefold(), slice(first, first + most)
        with self.knn.memory.reading():
            examples = self.knn.datastore.examples
            ids = examples.ids(CORRECTIONS)[::-1]
            chosen = ids if wanted else ids[page]
            every = [example for example in examples.each(chosen) if example]
        if not wanted:
            return len(ids), every
        found = [example for example in every if wanted in _searched(example)]
        return len(found), found[page]

    def forget(self, example_id: int) -> dict[str, Any]:
        """Remove a correction.

        example_id (int): Its id.
        RETURNS (dict): How many `entries` it had.
        RAISES (KnnNerError): If there is none.
        """
        if self.knn.datastore.example(example_id).part != CORRECTIONS:
            raise KnnNerError(Errors.E037, example_id=example_id)
        with self._changing():
            entries = self.knn.forget([example_id])
        return {"entries": entries}

    def add(self, examples: Any, source: str) -> Added:
        """Add corrections; see `KnnNer.add`.

        examples (Any), source (str): As there.
        """
        unsaved = self.unsaved
        with self._changing():
            added = self.knn.add(examples, source=source)
        if not _has_changed(added):
            self.unsaved = unsaved
        return added

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Count a change that is to be saved; also if something fails after it, unless
        it was refused."""
        unsaved = self.unsaved
        self.unsaved += not self.knn.memory.place.is_shared
        try:
            yield
        except KnnNerError:
            self.unsaved = unsaved
            raise

    def keep(self) -> None:
        """Save what was changed, if something was; a shared store has it already.

        RAISES (KnnNerError): As `save` does.
        """
        if self.unsaved:
            self.save()

    def save(self) -> dict[str, Any]:
        """Save: the whole pipeline to `output`, or the datastore where it is from.

        RETURNS (dict): The `folder`.
        RAISES (KnnNerError): If another process is saving, or has saved there.
        """
        self._check_output()
        if self.output is not None:
            save_pipeline(self.nlp, self.output)
            folder = self.output
        else:
            if self.nlp.path is None:
                raise KnnNerError(Errors.E078, path=self.nlp.meta["name"])
            folder = Path(self.nlp.path)
            self.knn.to_disk(folder / self.knn.name)
        self.unsaved, self._saved = 0, True
        return {"folder": str(folder)}


def _has_changed(added: Added) -> bool:
    return any(outcome.is_new or outcome.revised for outcome in added.outcomes)


def _paragraphs(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise KnnNerError(Errors.E081, found=len(text), most=LONGEST)
    check_unicode(text)
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line]


def _paragraph(doc: Doc) -> dict[str, Any]:
    return {
        "tokens": [[token.text, bool(token.whitespace_)] for token in doc],
        "entities": [
            {
                "start": ent.start,
                "end": ent.end,
                "label": ent.label_,
                "score": ent._.knn_score,
            }
            for ent in doc.ents
        ],
    }


def _searched(example: StoredExample) -> str:
    labels = [label for *_, label in example.annotated.entities]
    parts = [example.annotated.text, *labels, example.source or ""]
    return "\n".join(parts).casefold()


def _correction(example: StoredExample) -> dict[str, Any]:
    """As the page shows it: `spans` are the annotated parts."""
    text = example.annotated
    entity_at = {start: (end, label) for start, end, label in text.entities}
    missing, i = set(text.missing), 0
    spans: list[tuple[int, int, str]] = []
    while i < len(text.words):
        end, label = entity_at.get(i, (i + 1, ""))
        if i not in missing:
            if spans and not label and not spans[-1][2] and spans[-1][1] == i:
                spans[-1] = (spans[-1][0], end, "")
            else:
                spans.append((i, end, label))
        i = end
    return {
        "example_id": example.example_id,
        "tokens": [list(p) for p in zip(text.words, text.spaces, strict=True)],
        "spans": spans,
        "source": example.source,
    }
