"""Does a correction hold where it should, and only there?

A phrase that the pipeline gets wrong in two or more sentences is taught in one of them,
with nothing else annotated, and all sentences are predicted again. Counted are

- its own sentence: is the entity found, exactly?
- the same words in other sentences where they are annotated alike: is it found?
- the same words where they are annotated otherwise: is their prediction changed?
- all other tokens of the set: are they unchanged?

Beside it, on the same cases, an `entity_ruler` with the phrase, and with `--updates`
the pipeline's own `ner`, updated with that sentence until it is right. All is done with
the component's own settings; then again for every `--radius` and `--votes`.

python benchmarks/corrections_on.py en_core_web_sm corpus/conll2003/dev.spacy \
    corpus/ncbi/dev.spacy --output corrections_on.json --radius 0.3 --radius 0.6
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from spacy.language import Language
from spacy.pipeline import EntityRuler
from spacy.tokens import Doc, Span
from spacy.training import Example
from streams import Stream, read_stream
from thinc.api import Adam
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.components.memory import editing
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.reading.annotations import make_doc
from spacy_knn_ner.types import AnnotatedText

_TRIES = 30  # updates of a pipeline with one sentence, at most


@dataclass
class Counts:
    """Count what corrections change.

    cases, own (int): Phrases taught, and how many are found in their own sentence.
    alike, alike_found (int): Occurrences that are annotated alike in other sentences,
        and how many are found.
    otherwise, otherwise_changed (int): Those that are annotated otherwise, and how many
        change.
    others_changed (int): Further tokens that change.
    """

    cases: int = 0
    own: int = 0
    alike: int = 0
    alike_found: int = 0
    otherwise: int = 0
    otherwise_changed: int = 0
    others_changed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        names = [f.name for f in fields(Counts)]
        return Counts(*(getattr(self, n) + getattr(other, n) for n in names))


@dataclass(frozen=True)
class Case:
    """A phrase to teach.

    label (str): Of the entity.
    doc, start, end (int): Where it is taught.
    alike, otherwise (list[tuple[int, int]]): Other occurrences of the same words, in
        other sentences: Doc and first token.
    """

    label: str
    doc: int
    start: int
    end: int
    alike: list[tuple[int, int]]
    otherwise: list[tuple[int, int]]

    def partial(self, text: AnnotatedText) -> AnnotatedText:
        """Annotate this entity alone."""
        missing = [i for i in range(len(text.words)) if not self.start <= i < self.end]
        entity = self.start, self.end, self.label
        return AnnotatedText(text.words, text.spaces, [entity], missing)


def main(
    model: Annotated[str, typer.Argument(help="A pipeline, with or without knn_ner.")],
    data: Annotated[list[Path], typer.Argument(help="Annotated Docs.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    cases: Annotated[int, typer.Option(help="Phrases per set, at most.")] = 200,
    updates: Annotated[int, typer.Option(help="Of them, for updating.")] = 0,
    learn_rate: Annotated[float, typer.Option(help="Of every update.")] = 0.001,
    radius: Annotated[list[float] | None, typer.Option(help="Also with it.")] = None,
    votes: Annotated[
        list[float] | None, typer.Option(help="Also with so many.")
    ] = None,
) -> None:
    """Teach phrases, one at a time, and count what changes."""
    nlp = spacy.load(model)
    if not nlp.has_pipe("knn_ner"):
        nlp.add_pipe("knn_ner")
    knn: Any = nlp.get_pipe("knn_ner")
    own = knn.corrections
    others = [("radius", value) for value in radius or ()]
    others += [("votes", value) for value in votes or ()]
    rows: dict[str, dict[str, Counts]] = {}
    for path in data:
        docs = read_docs(path, nlp.vocab)
        dummy = knn.add(docs[:1])  # so that keys are read
        stream = read_stream(knn, docs, {}, None)
        knn.forget(dummy)
        found = list(_sample(_cases(stream), cases))
        name = f"{path.parent.name}/{path.stem}"
        rows[name] = {"knn_ner": _taught(stream, found), "ruler": _ruled(stream, found)}
        for setting, value in others:
            knn.corrections = {setting: value}
            rows[name][f"{setting} {value:g}"] = _taught(stream, found)
            knn.corrections = own  # {} would leave the other value
        if updates:
            some = list(_sample(found, updates))
            rows[name]["updated"] = _updated(nlp, stream, some, learn_rate)
        for system, counts in rows[name].items():
            msg.info(f"{name} {system}: {asdict(counts)}")
    total: dict[str, Counts] = defaultdict(Counts)
    for row in rows.values():
        for system, counts in row.items():
            total[system] += counts
    _show(total)
    output.parent.mkdir(parents=True, exist_ok=True)
    result = {"total": total, **rows}
    srsly.write_json(
        output, {n: {s: asdict(c) for s, c in r.items()} for n, r in result.items()}
    )


def _sample(items: list[Any], n: int) -> Iterator[Any]:
    """Some of them, evenly."""
    chosen = np.unique(np.linspace(0, len(items) - 1, min(n, len(items))).astype(int))
    return (items[i] for i in chosen.tolist())


def _cases(stream: Stream) -> list[Case]:
    """Phrases that are wrong in two or more sentences, taught in the first."""
    tags, _ = stream.predict()
    n = len(stream.docs)
    gold = [stream.gold_entities(i) for i in range(n)]
    wrong = defaultdict(list)
    where = defaultdict(list)
    for i, text in enumerate(stream.texts):
        for j, word in enumerate(text.words):
            where[word].append((i, j))
        for start, end, label in sorted(gold[i] - stream.entities(tags, i)):
            wrong[tuple(text.words[start:end]), label].append((i, start, end))
    found = []
    for (words, label), mentions in wrong.items():
        if len({i for i, _, _ in mentions}) < 2:
            continue
        doc, start, end = mentions[0]
        alike: list[tuple[int, int]] = []
        otherwise: list[tuple[int, int]] = []
        for i, j in where[words[0]]:
            stop = j + len(words)
            if i != doc and tuple(stream.texts[i].words[j:stop]) == words:
                agrees = (j, stop, label) in gold[i]
                (alike if agrees else otherwise).append((i, j))
        found.append(Case(label, doc, start, end, alike, otherwise))
    return found


def _taught(stream: Stream, cases: list[Case]) -> Counts:
    """With `knn_ner`: add, predict everything, forget."""
    knn, counts = stream.knn, Counts()
    before, p_before = stream.predict()
    for case in tqdm(cases, desc="Teaching", unit="phrase"):
        text, keys = case.partial(stream.texts[case.doc]), stream.keys(case.doc)
        scheme, datastore = knn.datastore.tag_set.scheme, knn.datastore
        added = editing.add(
            datastore,
            knn.memory.encoder,
            scheme,
            [text],
            [keys],
            source=None,
            allow_duplicates=False,
        )
        after, _ = stream.predict()
        datastore.forget([addition.example_id for addition in added])
        counts += _count(stream, case, before, after)
    after, p = stream.predict()
    if not (np.array_equal(after, before) and np.array_equal(p, p_before)):
        raise SystemExit("Forgetting has not restored every bit.")
    return counts


def _count(
    stream: Stream,
    case: Case,
    before: np.ndarray,
    after: np.ndarray,
) -> Counts:
    """The effects of one correction, of tags of the whole set."""
    n, starts = case.end - case.start, stream.starts
    found = partial(stream.entities, after)
    changed = before != after
    elsewhere = changed.copy()
    own = slice(starts[case.doc] + case.start, starts[case.doc] + case.end)
    _clear(elsewhere, own, stream, before)
    alike_found = otherwise_changed = 0
    for i, j in case.alike:
        alike_found += (j, j + n, case.label) in found(i)
        _clear(elsewhere, slice(starts[i] + j, starts[i] + j + n), stream, before)
    for i, j in case.otherwise:
        place = slice(starts[i] + j, starts[i] + j + n)
        otherwise_changed += bool(changed[place].any())
        _clear(elsewhere, place, stream, before)
    # The same words in other capitals are neither.
    words = tuple(w.lower() for w in stream.batch.words[own])
    lower = [w.lower() for w in stream.batch.words]
    for place in np.flatnonzero(elsewhere).tolist():
        for start in range(place - n + 1, place + 1):
            if tuple(lower[start : start + n]) == words:
                _clear(elsewhere, slice(start, start + n), stream, before)
    is_own = (case.start, case.end, case.label) in found(case.doc)
    return Counts(
        cases=1,
        own=int(is_own),
        alike=len(case.alike),
        alike_found=alike_found,
        otherwise=len(case.otherwise),
        otherwise_changed=otherwise_changed,
        others_changed=int(elsewhere.sum()),
    )


def _clear(mask: np.ndarray, place: slice, stream: Stream, tags: np.ndarray) -> None:
    """Take out a place, with the predicted entities that overlap it and give way."""
    start, stop = place.start, place.stop
    names = stream.batch.tag_set.tags
    while start > 0 and names[tags[start]][0] in "IL" and tags[start - 1] != 0:
        start -= 1
    while stop < len(tags) and names[tags[stop]][0] in "IL":
        stop += 1
    mask[start:stop] = False


def _ruled(stream: Stream, cases: list[Case]) -> Counts:
    """With an `entity_ruler` that knows the phrase."""
    counts, nlp = Counts(), stream.knn.nlp
    before, _ = stream.predict()
    n = len(stream.docs)
    was = [
        stream.batch.tag_set.spans(before[slice(*stream.starts[i : i + 2])])
        for i in range(n)
    ]
    for case in tqdm(cases, desc="Ruling", unit="phrase"):
        ruler = EntityRuler(nlp, overwrite_ents=True)
        words = stream.texts[case.doc].words[case.start : case.end]
        pattern = [{"ORTH": word} for word in words]
        ruler.add_patterns([{"label": case.label, "pattern": pattern}])
        after = before.copy()
        for i in {case.doc, *(i for i, _ in case.alike + case.otherwise)}:
            text = stream.texts[i]
            doc = Doc(nlp.vocab, words=text.words, spaces=text.spaces)
            doc.set_ents([Span(doc, a, b, label=label) for a, b, label in was[i]])
            after[slice(*stream.starts[i : i + 2])] = _tags(stream, ruler(doc))
        counts += _count(stream, case, before, after)
    return counts


def _tags(stream: Stream, doc: Doc) -> np.ndarray:
    entities = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    return stream.batch.tag_set.encode(len(doc), entities)


def _updated(
    nlp: Language, stream: Stream, cases: list[Case], learn_rate: float
) -> Counts:
    """With the pipeline's own tagger, updated until the sentence is right."""
    counts = Counts()
    name = next(n for n in ("ner", "ner_tagger") if nlp.has_pipe(n))
    encoders = ("tok2vec", "transformer")
    others = [n for n in nlp.pipe_names if n not in (name, *encoders)]
    tagger: Any = nlp.get_pipe(name)
    for *_, label in (e for text in stream.texts for e in text.entities):
        if label not in tagger.labels:
            tagger.add_label(label)
    weights = nlp.to_bytes(exclude=["vocab", *others])

    def predict() -> np.ndarray:
        blank = [make_doc(nlp, text) for text in stream.texts]
        docs = nlp.pipe(blank, batch_size=64, disable=others)
        known = set(stream.batch.tag_set.labels)
        for doc in (done := list(docs)):
            doc.set_ents([ent for ent in doc.ents if ent.label_ in known])
        return np.concatenate([_tags(stream, doc) for doc in done])

    before = predict()
    for case in tqdm(cases, desc="Updating", unit="phrase"):
        optimizer = nlp.resume_training(sgd=Adam(learn_rate))
        text = stream.texts[case.doc]
        for _ in range(_TRIES):
            gold = make_doc(nlp, text)
            span = Span(gold, case.start, case.end, label=case.label)
            gold.set_ents([span], default="missing")
            example = Example(make_doc(nlp, text), gold)
            with nlp.select_pipes(disable=others):
                nlp.update([example], sgd=optimizer)
                doc = nlp(make_doc(nlp, text))
            if (case.start, case.end, case.label) in {
                (e.start, e.end, e.label_) for e in doc.ents
            }:
                break
        after = predict()
        counts += _count(stream, case, before, after)
        nlp.from_bytes(weights, exclude=["vocab", *others])
    return counts


def _show(total: dict[str, Counts]) -> None:
    def share(part: int, whole: int) -> str:
        return f"{part} of {whole}" + (f" ({part / whole:.1%})" if whole else "")

    table = [
        (
            system,
            share(c.own, c.cases),
            share(c.alike_found, c.alike),
            share(c.otherwise_changed, c.otherwise),
            c.others_changed,
        )
        for system, c in total.items()
    ]
    header = ("", "own sentence", "alike elsewhere", "otherwise: changed", "others")
    msg.table(table, header=header, divider=True)


if __name__ == "__main__":
    typer.run(main)
