"""Give the pipeline odd texts, and the readers odd files.

python reliability/fuzz.py --texts 100000 --files 100000 --output fuzz.json

Every call must succeed, or raise an error with a code; whatever else is raised is
counted by where it comes from.
"""

import json
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from small_model import docs, pipeline
from spacy.tokens import DocBin
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.corpora.formats import FORMATS, read_corpus
from spacy_knn_ner.corpora.texts import read_texts
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.serve.session import Session

_VOCAB = spacy.blank("en").vocab
_CHARACTERS = [
    "abcXYZ 019.,;:-/'\"()[]{}<>&%$#@\\|",
    "\t\n\r\v\f\x00\x1b\x7f\x85\u2028\u2029",
    "\u200b\u200c\u200d\ufeff\u202e\u2066\u00ad",
    "äßñøÇİıſK\u0301\u0323",
    "中文漢字ひらカタ한국어ไทยहिन्दी",
    "العربيةעברית",
    "😀👩‍👩‍👧🇩🇪\U0010ffff\U000e0001",
    "\ud800\udfff",
]


def text(random: random.Random) -> str:
    """An odd text: names of the store among all kinds of characters."""
    parts = []
    for _ in range(random.randrange(1, 12)):
        kind = random.choice(_CHARACTERS[: 7 + (random.random() < 0.05)])
        if random.random() < 0.4:
            parts.append(f"Name{random.randrange(60)}")
        else:
            parts.append("".join(random.choices(kind, k=random.randrange(1, 8))))
        parts.append(random.choice(["", " ", " ", "  ", "\n"]))
    return "".join(parts)


def use(nlp: Any, session: Session, given: str, random: random.Random) -> None:
    """Do something with a text."""
    knn = nlp.get_pipe("knn_ner")
    step = random.randrange(8)
    if step < 3:
        session.tag(given)
    elif step == 3:
        words = [word for word in given.split() if word] or ["x"]
        label = random.choice(["PERSON", "", None, given[:5]])
        knn.teach(given, {random.choice(words): label}, source=given[:3] or None)
    elif step == 4:
        start, end = sorted(random.choices(range(len(given) + 2), k=2))
        knn.add((given, [(start, end, random.choice(["PERSON", "X Y", None]))]))
    elif step == 5:
        paragraph, start, end = (random.randrange(-2, 7) for _ in range(3))
        label = random.choice(["PERSON", "", given[:4]])
        session.correct(given, paragraph, start, end, label)
    elif step == 6:
        knn.forget(text=random.choice(given.split() or ["x"]))
    else:
        session.explain(given, 0, 0, random.randrange(4))


# --- files ---------------------------------------------------------------------------


def seeds(folder: Path) -> dict[str, bytes]:
    """Files that are read well, by name."""
    nlp = spacy.blank("en")
    given = docs(nlp, 3)
    for doc in given:
        doc.user_data["x"] = [1, {"a": None}]
    lines = ["-DOCSTART- -X- O O", "", "Ada NNP B-NP B-PER", "met VBD O O", ""]
    ent = [[0, 3, "PER"]]
    return {
        "a.spacy": DocBin(docs=given, store_user_data=True).to_bytes(),
        "a.conll": "\n".join(lines * 3).encode(),
        "a.jsonl": "\n".join(
            json.dumps(record)
            for record in (
                {"text": "Ada met Alan", "entities": ent},
                {"text": "Ada met", "spans": [{"start": 0, "end": 3, "label": "PER"}]},
                {"tokens": ["Ada", "met"], "ner_tags": ["B-PER", "O"]},
            )
        ).encode(),
        "a.json": json.dumps([["Ada met Alan", {"entities": ent}]]).encode(),
        "b.json": json.dumps({"annotations": [["Ada", {"entities": ent}]]}).encode(),
        "c.txt": (
            b"#begin document (a); part 000\n"
            b"a 0 0 Ada NNP (TOP* - - - - (PERSON) -\n\n#end document\n"
        ),
    }


def mutated(data: bytes, others: list[bytes], random: random.Random) -> bytes:
    """A file that is somewhat another one."""
    for _ in range(random.randrange(1, 4)):
        i, j = sorted(random.choices(range(len(data) + 1), k=2))
        step = random.randrange(8)
        if step == 0 and data:
            i = random.randrange(len(data))
            data = data[:i] + bytes([random.randrange(256)]) + data[i + 1 :]
        elif step == 1:
            data = data[:i]
        elif step == 2:
            data = data[:i] + data[j:]
        elif step == 3:
            data = data[:i] + data[i:j] * random.randrange(2, 5) + data[j:]
        elif step == 4:
            data = data[:i] + random.choice(others)[: random.randrange(200)] + data[i:]
        elif step == 5:
            data = data[:i] + random.randbytes(random.randrange(1, 6)) + data[i:]
        elif step == 6:
            odd = [b"null", b"-1", b"1e999", b"{}", b"[]", b'"', b"\\ud800", b"NaN"]
            data = data[:i] + random.choice(odd) + data[j:]
        else:
            data = data[:i] + b"[" * random.choice([3, 2000]) + data[i:]
        data = data[:100_000]
    return data


def read(path: Path, random: random.Random) -> None:
    """Read a file in some way."""
    kind = random.randrange(4)
    if path.suffix == ".spacy" or kind == 0:
        for doc in read_docs(path, _VOCAB):
            _ = doc.text, doc.ents
    elif kind == 1:
        list(read_texts(path))
    else:
        read_corpus(
            path,
            random.choice(["auto", "auto", *FORMATS]),
            n_sents=random.choice([0, 1, 3]),
            bad_lines=random.choice(["fail", "skip", "repair"]),
            vocab=_VOCAB,
        )


# --- both ----------------------------------------------------------------------------


def tried(step: Callable[[], None]) -> str:
    """What comes of it: an outcome, or where an error without a code comes from."""
    try:
        step()
        return "succeeded"
    except KnnNerError as error:
        return f"error {error.code}"
    except OSError:
        return "error of the file system"
    except Exception as error:
        frames = traceback.extract_tb(sys.exc_info()[2])
        ours = [f for f in frames if "spacy_knn_ner" in f.filename]
        last = ours[-1] if ours else frames[-1]
        return (
            f"NO CODE: {type(error).__name__} in {Path(last.filename).name} {last.name}"
        )


def fuzz_texts(n: int, seed: int) -> Iterator[str]:
    """Use a pipeline for texts; a new one now and then."""
    numbers = random.Random(seed)
    for i in tqdm(range(n), desc="texts"):
        if i % 2000 == 0:
            nlp = pipeline()
            knn: Any = nlp.get_pipe("knn_ner")
            session = Session(nlp, knn)
        given = text(numbers)
        yield tried(partial(use, nlp, session, given, numbers))


def fuzz_files(n: int, seed: int) -> Iterator[str]:
    """Read files."""
    numbers = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        whole = seeds(Path(temporary))
        for _ in tqdm(range(n), desc="files"):
            name = numbers.choice(list(whole))
            path = Path(temporary) / name
            path.write_bytes(mutated(whole[name], list(whole.values()), numbers))
            yield tried(partial(read, path, numbers))


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    texts: Annotated[int, typer.Option(help="How many.")] = 10_000,
    files: Annotated[int, typer.Option(help="How many.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Count what comes of odd texts and files."""
    counts = {
        "texts": Counter(fuzz_texts(texts, seed)),
        "files": Counter(fuzz_files(files, seed)),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, counts)
    wrong = 0
    for kind, count in counts.items():
        n_coded = sum(v for k, v in count.items() if k.startswith("error"))
        uncoded = {k: v for k, v in count.items() if k.startswith("NO CODE")}
        msg.info(f"{kind}: {count['succeeded']} succeeded, {n_coded} errors with codes")
        for where, n in sorted(uncoded.items()):
            msg.fail(f"{n}× {where}")
        wrong += len(uncoded)
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
