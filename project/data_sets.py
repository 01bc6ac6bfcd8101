"""The data sets of the workflows: their files, and how they are read."""

from dataclasses import dataclass

from spacy_knn_ner.corpora import assets
from spacy_knn_ner.corpora.assets import Asset

VERSION = "0.1.0"  # of the packages


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    file (str): Below `assets/`.
    asset (Asset | None): What was published; None: the user's licensed copy.
    options (str): For `spacy knn convert`.
    """

    file: str
    asset: Asset | None = None
    options: str = ""


@dataclass(frozen=True)
class Dataset:
    """A data set.

    title (str): For people.
    lang (str): A spaCy language code.
    format (str): For `spacy knn convert --format`.
    license (str): As its source states it.
    splits (dict[str, Split]): `"train"`, `"dev"` and `"test"`.
    model (str | None): The data set whose trained and tuned model it is tested with;
        None: its own.
    build, tune, evaluate (str): Further options of these steps.
    """

    title: str
    lang: str
    format: str
    license: str
    splits: dict[str, Split]
    model: str | None = None
    build: str = ""
    tune: str = ""
    evaluate: str = ""


def _published(files: dict[str, Asset], **options: str) -> dict[str, Split]:
    return {
        split: Split(asset.name, asset, options.get(split, ""))
        for split, asset in files.items()
    }


def _licensed(name: str) -> dict[str, Split]:
    return {split: Split(f"{name}/{split}.txt") for split in ("train", "dev", "test")}


def _own(name: str, *parts: str) -> dict[str, Split]:
    of_name = _licensed(name)
    return {part: of_name[part] for part in parts or of_name}


def find_data_set(name: str, *, trained: bool = False) -> Dataset:
    """The data set of this name.

    name (str): Its key in `DATASETS`.
    trained (bool): It must have a model of its own.
    RAISES (SystemExit): If there is none.
    """
    known = [key for key, value in DATASETS.items() if not (trained and value.model)]
    if name not in known:
        raise SystemExit(f"There is no data set {name!r}: use one of {known}.")
    return DATASETS[name]


DATASETS = {
    "wnut17": Dataset(
        "WNUT-17", "en", "wnut17", "CC BY 4.0", _published(assets.WNUT17)
    ),
    "conll2003": Dataset(
        "CoNLL-2003", "en", "conll2003", "not stated", _published(assets.CONLL2003)
    ),
    # Its train and dev entities are those of CoNLL-2003; its test was corrected.
    "conllpp": Dataset(
        "CoNLL++",
        "en",
        "conllpp",
        "not stated",
        _published(assets.CONLLPP),
        model="conll2003",
    ),
    "ncbi": Dataset("NCBI-disease", "en", "ncbi", "CC BY 4.0", _published(assets.NCBI)),
    "weibo": Dataset(
        "Weibo",
        "zh",
        "weibo",
        "annotations CC BY-SA 3.0, texts under Weibo's terms",
        _published(assets.WEIBO),
    ),
    "resume": Dataset(
        "Resume", "zh", "resume", "not stated", _published(assets.RESUME)
    ),
    # No dev part was published: the first tenth of train becomes one.
    "msra": Dataset(
        "MSRA",
        "zh",
        "msra",
        "not stated",
        _published(assets.MSRA, train="--part 5000:", dev="--part :5000"),
        build="--dtype float16",
        # Nearly two million entries: all of them per token takes hours.
        tune="--limit 1000 --no-every-entry",
        evaluate="--no-every-entry",
    ),
    # Below: a user's files, a token per line.
    "wnut16": Dataset(
        "WNUT-16", "en", "tokens", "as its source states", _own("wnut16")
    ),
    "bc5cdr": Dataset("BC5CDR", "en", "tokens", "as its source states", _own("bc5cdr")),
    # Only a test part was published, with the labels of CoNLL-2003.
    "cbs": Dataset(
        "CBS SciTech news",
        "en",
        "tokens",
        "as its source states",
        _own("cbs", "test"),
        model="conll2003",
    ),
    "ontonotes5": Dataset(
        "OntoNotes 5", "en", "ontonotes5", "LDC", _licensed("ontonotes5")
    ),
    "ontonotes4": Dataset(
        "OntoNotes 4 Chinese", "zh", "ontonotes4", "LDC", _licensed("ontonotes4")
    ),
}
