"""Show a tuned pipeline: where neighbors changed the tagger's entities, and the effect
of one correction.

python project/demo.py models/wnut17/default/0/tuned corpus/wnut17/test.spacy
"""

from pathlib import Path
from typing import Annotated, cast

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import color, msg

from spacy_knn_ner.components.knn_ner import KnnNer
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.reading.annotations import (
    annotated_entities,
    annotated_text,
    make_doc,
)
from spacy_knn_ner.tags import SpanTuple


def main(
    model: Annotated[Path, typer.Argument(help="A tuned pipeline.")],
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs.")],
) -> None:
    """Explain some predictions, and correct a missed entity. Nothing is saved."""
    nlp = spacy.load(model)
    knn = cast(KnnNer, nlp.get_pipe("knn_ner"))
    golds = read_docs(corpus, nlp.vocab)
    msg.divider("Where neighbors changed the tagger's entities")
    explain(nlp, knn, golds, n=3)
    msg.divider("Correct one missed entity with one sentence")
    correct(nlp, knn, golds)


def clean_copy(nlp: Language, gold: Doc) -> Doc:
    """The words of an annotated Doc."""
    return make_doc(nlp, annotated_text(gold, "demo"))


def explain(nlp: Language, knn: KnnNer, golds: list[Doc], n: int) -> None:
    """Sentences where the tagger alone and with neighbors disagree: the first n."""
    shown = 0
    copies = (clean_copy(nlp, gold) for gold in golds)
    alone = [entities(doc) for doc in nlp.pipe(copies, disable=["knn_ner"])]
    mixed = nlp.pipe(clean_copy(nlp, gold) for gold in golds)
    for doc, gold, before in zip(mixed, golds, alone, strict=False):
        if shown == n:
            break
        changed = sorted(set(entities(doc)) ^ set(before))
        if not changed or not doc.ents:
            continue
        shown += 1
        print(f"\n{color(doc.text.strip(), bold=True)}")
        print(f"  gold            {listed(gold, entities(gold))}")
        print(f"  tagger alone    {listed(doc, before)}")
        print(f"  with neighbors  {scored(doc)}")
        token = changed[0][0]
        print(f"  nearest to {doc[token].text!r}:")
        for neighbor in knn.explain(doc[token], n=3).tokens[0].neighbors:
            print(f"    {neighbor.to_text(bold)}")


def correct(nlp: Language, knn: KnnNer, golds: list[Doc]) -> None:
    """Add the gold sentence of a missed entity; look at it and at another one."""
    found = find_missed(nlp, golds)
    if found is None:
        print("\nNothing was missed.")
        return
    gold, missed, other = found
    name = gold[missed[0] : missed[1]].text
    print(f"\nMissed: {color(name, bold=True)} ({missed[2]})")
    sentences = [gold] if other is None else [gold, other]
    before = [nlp(clean_copy(nlp, sentence)) for sentence in sentences]
    ids = knn.add([gold])
    after = [nlp(clean_copy(nlp, sentence)) for sentence in sentences]
    titles = ["The sentence that was added", "Another sentence with it"]
    for title, sentence, was, now in zip(
        titles, sentences, before, after, strict=False
    ):
        print(f"\n{title}: {color(sentence.text.strip(), bold=True)}")
        print(f"  gold    {listed(sentence, entities(sentence))}")
        print(f"  before  {scored(was)}")
        print(f"  after   {scored(now)}")
    nearest = knn.explain(after[0][missed[0]], n=1).tokens[0].neighbors[0]
    print(f"\n  why: {nearest.to_text(bold)}")
    print(f"  and knn.forget({ids}) removes it.\n")


def find_missed(
    nlp: Language, golds: list[Doc]
) -> tuple[Doc, SpanTuple, Doc | None] | None:
    """Find an entity of which nothing was predicted: the one missed most often.

    RETURNS (tuple[Doc, SpanTuple, Doc | None] | None): A gold sentence with it, where
        it stands, and another sentence in which it was missed, if there is one. None
        where nothing was missed.
    """
    missed: dict[tuple[str, str], list[tuple[Doc, SpanTuple]]] = {}
    docs = nlp.pipe(clean_copy(nlp, gold) for gold in golds)
    for gold, doc in zip(golds, docs, strict=True):
        for start, end, label in entities(gold):
            if all(token.ent_iob_ == "O" for token in doc[start:end]):
                entity = gold[start:end].text.lower(), label
                missed.setdefault(entity, []).append((gold, (start, end, label)))
    if not missed:
        return None
    (gold, span), *others = max(missed.values(), key=len)
    different = (other for other, _ in others if other.text != gold.text)
    return gold, span, next(different, None)


def bold(text: str) -> str:
    """Highlight a word."""
    return str(color(text, bold=True))


def entities(doc: Doc) -> list[SpanTuple]:
    """The entities of a Doc as tuples."""
    return annotated_entities(doc)[0]


def listed(doc: Doc, spans: list[SpanTuple]) -> str:
    """Format entities on one line."""
    return ", ".join(f"{doc[a:b].text} ({label})" for a, b, label in spans) or "–"


def scored(doc: Doc) -> str:
    """Format entities with their scores on one line."""
    scores = doc.spans["knn_ner"].attrs["scores"]
    pairs = zip(doc.ents, scores, strict=True)
    return ", ".join(f"{e.text} ({e.label_} {s:.2f})" for e, s in pairs) or "–"


if __name__ == "__main__":
    typer.run(main)
