"""How many wrong tokens are right once their sentence was taught?

python project/corrections.py models/wnut17/default/0/built corpus/wnut17/test.spacy
"""

from pathlib import Path
from typing import Annotated, cast

import numpy as np
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.evaluation.scores import entities
from spacy_knn_ner.pipeline.knn_ner import KnnNer
from spacy_knn_ner.pipeline.labelled import labelled_text, make_doc
from spacy_knn_ner.tags import TagSet


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    corpus: Annotated[Path, typer.Argument(help="Labelled Docs.")],
) -> None:
    """Teach every wrong sentence, one at a time, and count what is right then."""
    nlp = spacy.load(model)
    golds = read_docs(corpus, nlp.vocab)
    counts = fix_rate(nlp, cast(KnnNer, nlp.get_pipe("knn_ner")), golds)
    share = counts["fixed"] / max(1, counts["wrong"])
    msg.good(f"{counts}: {share:.1%} of the wrong tokens are right once taught")


def fix_rate(nlp: Language, knn: KnnNer, golds: list[Doc]) -> dict[str, int]:
    """Add each sentence with an error by itself, run it again, and forget it.

    RETURNS (dict[str, int]): "sentences" with errors, "wrong" tokens in them, and
        how many of these were "fixed" by adding the gold sentence.
    """
    counts = {"sentences": 0, "wrong": 0, "fixed": 0}
    for gold in tqdm(golds, desc="Teaching", unit="doc"):
        expected = tags_of(gold)
        wrong = expected != tags_of(nlp(make_doc(nlp, labelled_text(gold, "fix"))))
        if not wrong.any():
            continue
        ids = knn.add([gold])
        again = tags_of(nlp(make_doc(nlp, labelled_text(gold, "fix"))))
        knn.forget(ids)
        counts["sentences"] += 1
        counts["wrong"] += int(wrong.sum())
        counts["fixed"] += int((again == expected)[wrong].sum())
    return counts


def tags_of(doc: Doc) -> np.ndarray:
    """The BILUO tag of every token."""
    tag_set = TagSet("BILUO", tuple(dict.fromkeys(ent.label_ for ent in doc.ents)))
    ids = tag_set.encode(len(doc), entities(doc))
    return np.array(tag_set.tags, dtype=object)[ids]


if __name__ == "__main__":
    typer.run(main)
