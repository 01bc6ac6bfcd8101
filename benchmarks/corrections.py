"""What does one correction fix, and what does it break?

For every sentence in which something is wrong, its gold annotation is added by itself,
all sentences are predicted again, and it is forgotten again. Counted are

- its own wrong tokens that are correct then;
- the same mistakes in other sentences (an entity of the same words and label that was
  missed, or found where there is none) that are fixed;
- all other entities that are better, and worse, than before.

python benchmarks/corrections.py models/wnut17/default/0/tuned \
    corpus/wnut17/test.spacy --output corrections.json

With `--labels person=PER,location=LOC` a corpus with other labels is read: those are
renamed, and entities with further ones are not counted.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from streams import Entity, Stream, names_of, read_stream
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs


@dataclass
class Counts:
    """Count the effects of corrections.

    sentences (int): The sentences corrected, one at a time.
    wrong, right (int): Their wrong tokens, and how many of them became correct.
    same, fixed (int): The same mistakes elsewhere, and how many were fixed.
    better, worse (int): Entities elsewhere that became correct, or wrong.
    restored (bool): Whether forgetting restored all tags and probabilities.
    """

    sentences: int = 0
    wrong: int = 0
    right: int = 0
    same: int = 0
    fixed: int = 0
    better: int = 0
    worse: int = 0
    restored: bool = True


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    labels: Annotated[str, typer.Option(help="NAME=LABEL,… of the tagger's.")] = "",
    radius: Annotated[float | None, typer.Option(help="Another radius.")] = None,
    other_words_radius: Annotated[float | None, typer.Option(help="For it.")] = None,
    correction_votes: Annotated[float | None, typer.Option(help="For `votes`.")] = None,
    cache: Annotated[Path | None, typer.Option(help="For encoder outputs.")] = None,
) -> None:
    """Correct every sentence by itself, and count what changes."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    given = {
        "radius": radius,
        "other_words_radius": other_words_radius,
        "votes": correction_votes,
    }
    knn.corrections = {k: v for k, v in given.items() if v is not None}
    docs = read_docs(corpus, nlp.vocab)
    stream = read_stream(knn, docs, names_of(labels), cache)
    counts = one_at_a_time(stream)
    found = {name: getattr(knn.corrections, name) for name in given}
    found |= asdict(counts)
    msg.info(str(found))
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


def one_at_a_time(stream: Stream) -> Counts:
    """Correct, predict, count, forget."""
    counts, datastore = Counts(), stream.knn.datastore
    before, base = stream.predict()
    wrong = stream.wrong_tokens(before)
    n = len(stream.docs)
    found = [stream.entities(before, i) for i in range(n)]
    gold = [stream.gold_entities(i) for i in range(n)]
    elsewhere = mistakes(stream, found, gold)
    for i in tqdm(range(n), desc="Correcting", unit="doc"):
        own = slice(*stream.starts[i : i + 2])
        if not wrong[own].any():
            continue
        example_ids = stream.correct(i)
        after, _ = stream.predict()
        datastore.forget(example_ids)
        counts.sentences += 1
        counts.wrong += int(wrong[own].sum())
        counts.right += int((wrong[own] & ~stream.wrong_tokens(after)[own]).sum())
        changed = np.flatnonzero(after != before)
        docs = set(np.searchsorted(stream.starts, changed, side="right") - 1) - {i}
        now = {j: stream.entities(after, j) for j in docs}
        for entity in found[i] ^ gold[i]:
            for j, other in elsewhere[kind_of(stream, i, entity, gold[i])]:
                if j != i:
                    counts.same += 1
                    is_right = (other in now.get(j, found[j])) == (other in gold[j])
                    counts.fixed += is_right
        for j in docs:
            was, is_ = found[j] ^ gold[j], now[j] ^ gold[j]
            counts.better += len(was - is_)
            counts.worse += len(is_ - was)
    after, p = stream.predict()
    counts.restored = bool(np.array_equal(after, before) and np.array_equal(p, base))
    return counts


Kind = tuple[tuple[str, ...], str, bool]


def kind_of(stream: Stream, i: int, entity: Entity, gold: set[Entity]) -> Kind:
    """Identify a mistake by its words, its label, and whether it was missed."""
    start, end, label = entity
    first = stream.starts[i]
    words = tuple(w.lower() for w in stream.batch.words[first + start : first + end])
    return words, label, entity in gold


def mistakes(
    stream: Stream, found: list[set[Entity]], gold: list[set[Entity]]
) -> dict[Kind, list[tuple[int, Entity]]]:
    """Group the places of mistakes by kind."""
    where: dict[Kind, list[tuple[int, Entity]]] = defaultdict(list)
    for i in range(len(found)):
        for entity in found[i] ^ gold[i]:
            where[kind_of(stream, i, entity, gold[i])].append((i, entity))
    return where


if __name__ == "__main__":
    typer.run(main)
