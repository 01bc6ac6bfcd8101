"""Bring a data set's published files, or check that a licensed copy is there.

python project/fetch_assets.py wnut17
"""

from pathlib import Path
from typing import Annotated

import typer
from data_sets import find_data_set
from wasabi import msg

from spacy_knn_ner.corpora.assets import fetch
from spacy_knn_ner.digest import sha256
from spacy_knn_ner.errors import KnnNerError


def main(
    dataset: Annotated[str, typer.Argument(help="One of project/data_sets.py.")],
    folder: Annotated[Path, typer.Option(help="Where to put them.")] = Path("assets"),
) -> None:
    """Fetch the files and compare their SHA-256; a wrong file is an error."""
    known = find_data_set(dataset)
    try:
        for split in known.splits.values():
            if split.asset is not None:
                path = fetch(split.asset, folder)
                msg.good(f"{path}: {sha256(path)[:12]}… as published")
            elif not (folder / split.file).exists():
                msg.fail(
                    f"{folder / split.file} is missing: {dataset} is not fetched. Put "
                    f"your own copy there, in CoNLL-2012 format or a token per line.",
                    exits=1,
                )
    except KnnNerError as error:
        msg.fail(str(error), exits=1)


if __name__ == "__main__":
    typer.run(main)
