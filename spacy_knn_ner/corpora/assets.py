"""Published files: from a local mirror or from their public URL, checked."""

import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ..digest import sha256
from ..errors import Errors, KnnNerError

MIRROR_VARIABLE = "SPACY_KNN_NER_DATA"


@dataclass(frozen=True)
class Asset:
    """A published file.

    name (str): Its path below the mirror and below the target folder.
    url (str): Where it is published.
    sha256 (str): Of the file as published.
    """

    name: str
    url: str
    sha256: str


_WNUT = "https://raw.githubusercontent.com/leondz/emerging_entities_17/master"

# CC BY 4.0; Derczynski et al. 2017, "Results of the WNUT2017 shared task".
WNUT17 = {
    "train": Asset(
        "wnut17/wnut17train.conll",
        f"{_WNUT}/wnut17train.conll",
        "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
    ),
    "dev": Asset(
        "wnut17/emerging.dev.conll",
        f"{_WNUT}/emerging.dev.conll",
        "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
    ),
    # The scored file; emerging.test.conll is the test set before adjudication.
    "test": Asset(
        "wnut17/emerging.test.annotated",
        f"{_WNUT}/emerging.test.annotated",
        "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
    ),
}


def fetch(asset: Asset, folder: str | Path) -> Path:
    """Bring a published file into a folder, unless the right one is there.

    asset (Asset): The file.
    folder (str | Path): Where to put it, below the asset's own name.
    RETURNS (Path): The file.
    RAISES (KnnNerError): If it cannot be had, or is not the published one.
    """
    target = Path(folder) / asset.name
    if target.exists() and sha256(target) == asset.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    mirror = os.environ.get(MIRROR_VARIABLE)
    source = str(Path(mirror) / asset.name) if mirror else asset.url
    try:
        if mirror:
            shutil.copyfile(source, partial)
        else:
            response = urllib.request.urlopen(asset.url, timeout=60)
            with response, partial.open("wb") as file:
                shutil.copyfileobj(response, file)
    except OSError as error:
        raise KnnNerError(
            Errors.E023,
            url=source,
            reason=error,
            variable=MIRROR_VARIABLE,
            name=asset.name,
        ) from error
    found = sha256(partial)
    if found != asset.sha256:
        partial.unlink()
        raise KnnNerError(Errors.E022, path=source, found=found, expected=asset.sha256)
    partial.replace(target)
    return target
