"""Compare key spaces behind one tagger: how often do their neighbors repeat its errors,
and what does a mixture with one or two of them gain?

Each space is a pipeline with a store of the same training data: of the tagger's own
vectors, of another layer, of a projection, or of another encoder. Settings are chosen
on dev; of a pair, each keeps its own k and temperature.

python benchmarks/key_spaces.py models/wnut17/default/0/built corpus/wnut17/dev.spacy \
    corpus/wnut17/test.spacy last=models/wnut17/default/0/built \
    projected=models/wnut17/projected --output key-spaces.json
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from spacy.tokens import Doc
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.evaluation.changes import repeated_errors
from spacy_knn_ner.evaluation.corpus import Corpus
from spacy_knn_ner.evaluation.leave_one_out import find_neighbors, neighbor_votes
from spacy_knn_ner.evaluation.significance import paired_bootstrap
from spacy_knn_ner.inference.decoding import decode
from spacy_knn_ner.inference.interpolation import interpolate
from spacy_knn_ner.reading.cache import encode
from spacy_knn_ner.tags import TagSet
from spacy_knn_ner.types import TokenBatch, Votes

KS = (4, 16, 64)
TEMPERATURES = (0.01, 0.02, 0.04, 0.08, 0.16)
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PAIR_WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
PARTS = ("dev", "test")
Setting = tuple[int, float]


@dataclass
class Part:
    """One part of the data behind the tagger.

    corpus (Corpus): With its gold entities.
    batch (TokenBatch): What the tagger says.
    """

    corpus: Corpus
    batch: TokenBatch

    def tags(self, p: np.ndarray) -> np.ndarray:
        """The best sequences."""
        return decode(p, self.batch.tag_set, "viterbi", self.batch.lengths)

    def f1(self, p: np.ndarray) -> float:
        """Of spans."""
        spans = self.corpus.spans(self.tags(p), self.batch.tag_set)
        return self.corpus.score(spans).fscore

    def difference(self, p: np.ndarray) -> dict[str, float]:
        """F1 against that of the tagger alone, with its p."""
        base, mixed = self._counts(self.batch.p_base), self._counts(p)
        found = paired_bootstrap(*base, *mixed, self.corpus.per_doc(self.corpus.gold))
        return {"delta": found.delta, "p": found.p}

    def _counts(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Entities per Doc, and how many of them are correct."""
        spans = self.corpus.spans(self.tags(p), self.batch.tag_set)
        correct = self.corpus.is_correct(spans)
        return self.corpus.per_doc(spans), self.corpus.per_doc(spans, correct)


def votes_of(
    model: Path, docs: dict[str, list[Doc]], parts: dict[str, Part], cache: Path | None
) -> dict[Setting, dict[str, np.ndarray]]:
    """The votes of a space, by k and temperature and by part, in the tagger's tags."""
    knn: Any = spacy.load(model).get_pipe("knn_ner")
    votes: dict[Setting, dict[str, np.ndarray]] = {}
    for name, part in parts.items():
        batch = encode(knn.reader, docs[name], cache=cache)
        near = find_neighbors(knn, batch, max(KS))
        for k, temperature in itertools.product(KS, TEMPERATURES):
            found = neighbor_votes(knn, batch, near, k, temperature)
            p = _columns(found, batch.tag_set, part.batch.tag_set)
            votes.setdefault((k, temperature), {})[name] = p
    return votes


def _columns(votes: Votes, own: TagSet, other: TagSet) -> np.ndarray:
    p = np.zeros((len(votes.p_knn), len(other)))
    p[:, own.columns_in(other)] = votes.p_knn
    return p


def main(
    tagger: Annotated[Path, typer.Argument(help="A pipeline with a tagger.")],
    dev: Annotated[Path, typer.Argument(help="Docs to choose settings with.")],
    test: Annotated[Path, typer.Argument(help="Docs to report.")],
    spaces: Annotated[
        list[str], typer.Argument(help="NAME=PIPELINE, with a store each.")
    ],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    cache: Annotated[Path | None, typer.Option(help="For encoder outputs.")] = None,
) -> None:
    """Measure every space, and the first one with each of the others."""
    nlp = spacy.load(tagger)
    knn: Any = nlp.get_pipe("knn_ner")
    docs = {
        name: read_docs(path, nlp.vocab)
        for name, path in zip(PARTS, (dev, test), strict=True)
    }
    parts = {}
    for name, some in docs.items():
        batch = encode(knn.reader, some, cache=cache)
        parts[name] = Part(Corpus(some, batch.tag_set), batch)
    rows: list[dict[str, Any]] = [
        {"space": "tagger alone", **{n: p.f1(p.batch.p_base) for n, p in parts.items()}}
    ]
    best: dict[str, dict[str, np.ndarray]] = {}
    for space in spaces:
        title, _, model = space.partition("=")
        votes = votes_of(Path(model), docs, parts, cache)
        trials = [
            (parts["dev"].f1(_mix(parts["dev"], [(of["dev"], w)])), setting, w)
            for setting, of in votes.items()
            for w in WEIGHTS
        ]
        _, setting, weight = max(trials, key=lambda trial: trial[0])
        best[title] = votes[setting]
        rows.append(_row(title, parts, [(best[title], weight)], setting))
        msg.info(str(rows[-1]))
    one, *others = best
    for other in others:
        of_dev = [best[one]["dev"], best[other]["dev"]]
        scores = {}
        for weights in itertools.product(PAIR_WEIGHTS, PAIR_WEIGHTS):
            pairs = list(zip(of_dev, weights, strict=True))
            scores[weights] = parts["dev"].f1(_mix(parts["dev"], pairs))
        first, second = max(scores, key=lambda weights: scores[weights])
        both = [(best[one], first), (best[other], second)]
        rows.append(_row(f"{one} + {other}", parts, both, None))
        msg.info(str(rows[-1]))
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, rows)


def _mix(part: Part, votes: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """Mixed one after the other, as several `knn_ner` do."""
    p = part.batch.p_base
    for p_knn, weight in votes:
        p = interpolate(p, p_knn, weight)
    return p


def _row(
    title: str,
    parts: dict[str, Part],
    votes: list[tuple[dict[str, np.ndarray], float]],
    chosen: Any,
) -> dict[str, Any]:
    p = {n: _mix(part, [(v[n], w) for v, w in votes]) for n, part in parts.items()}
    weights, test = [w for _, w in votes], parts["test"]
    # What both say together, by their weights; equally, if dev has chosen neither.
    shares = np.array(weights) / sum(weights) if any(weights) else np.full(2, 0.5)
    together = sum(s * v["test"] for s, (v, _) in zip(shares, votes, strict=True))
    return {
        "space": title,
        "chosen": chosen,
        "weights": weights,
        **{name: part.f1(p[name]) for name, part in parts.items()},
        "alone": test.f1(np.asarray(together)),
        "errors": repeated_errors(
            test.corpus, test.batch, np.asarray(together), np.any(together, axis=1)
        ),
        **test.difference(p["test"]),
    }


if __name__ == "__main__":
    typer.run(main)
