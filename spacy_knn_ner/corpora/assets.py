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


_GITHUB = "https://raw.githubusercontent.com"
# HEAD is the default branch, whatever its name; a changed file is refused.


def _files(place: str, **files: tuple[str, str]) -> dict[str, Asset]:
    """The parts of a data set: name and SHA-256 of each."""
    return {
        part: Asset(name, f"{_GITHUB}/{place}/{Path(name).name}", checksum)
        for part, (name, checksum) in files.items()
    }


# CC BY 4.0; Derczynski et al. 2017, "Results of the WNUT2017 shared task". The scored
# test file; emerging.test.conll is the test set before adjudication.
WNUT17 = _files(
    "leondz/emerging_entities_17/HEAD",
    train=(
        "wnut17/wnut17train.conll",
        "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
    ),
    dev=(
        "wnut17/emerging.dev.conll",
        "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
    ),
    test=(
        "wnut17/emerging.test.annotated",
        "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
    ),
)
# Reuters text; Tjong Kim Sang and De Meulder 2003.
CONLL2003 = _files(
    "synalp/NER/HEAD/corpus/CoNLL-2003",
    train=(
        "conll2003/eng.train",
        "eac0822f501353f265383ddf1edb0dcd42a1b6eefd3e383d7074db98c38eb41c",
    ),
    dev=(
        "conll2003/eng.testa",
        "aedc4ccbd1ae9795feaa0e86fe72d195b0258abed9d705b630d1c889276fac1e",
    ),
    test=(
        "conll2003/eng.testb",
        "0632f32c090ef31c223135b7fee3187a7cf8e65c4015c7866bb7783428cdd9a6",
    ),
)
# Wang et al. 2019, "CrossWeigh": the test set of CoNLL-2003, corrected.
CONLLPP = _files(
    "ZihanWangKi/CrossWeigh/HEAD/data",
    train=(
        "conllpp/conllpp_train.txt",
        "213953b5522fb7924802d883e50f027b2c6ffb5d4d0e63368ed82909f9b60423",
    ),
    dev=(
        "conllpp/conllpp_dev.txt",
        "c02eb19809eafb83998326a0481942eb37d96f31826ae387cfe8773699969f5b",
    ),
    test=(
        "conllpp/conllpp_test.txt",
        "4eb3b5114787d0df24087e9c9dfc956abf4cfd5e201bc1056b48ff4f7b37c0e8",
    ),
)
# CC BY 4.0; Dogan et al. 2014, in the form of Crichton et al. 2017.
NCBI = _files(
    "cambridgeltl/MTL-Bioinformatics-2016/HEAD/data/NCBI-disease-IOB",
    train=(
        "ncbi-disease/train.tsv",
        "58379baf4614b8d757d93dd7a21b202849ca99f9b9d71b49185523ff5443300c",
    ),
    dev=(
        "ncbi-disease/devel.tsv",
        "b4e1e7efcc2a35047bf2f3d281648357470e674f555d4a26a0049ac37d59cc61",
    ),
    test=(
        "ncbi-disease/test.tsv",
        "8f088ce45dc4746592188f9e69de3d89d87f3bb8f0ed8c4a287d018123fa148d",
    ),
)
# Annotations CC BY-SA 3.0; Peng and Dredze 2015, second version.
WEIBO = _files(
    "hltcoe/golden-horse/HEAD/data",
    train=(
        "weibo/weiboNER_2nd_conll.train",
        "4e8954c54ab33b0afc9a8abb85715c47422645cc6d1b49fdb24540f4a427e997",
    ),
    dev=(
        "weibo/weiboNER_2nd_conll.dev",
        "e72730d83aac680505280b6301c879b3ba470d29ac308979d48cdc58ee4907cc",
    ),
    test=(
        "weibo/weiboNER_2nd_conll.test",
        "faaf6c0ebde5348b935cfd5c89f0f22c9e0779d60667d8b5efbc647b6707d50e",
    ),
)
# Zhang and Yang 2018.
RESUME = _files(
    "jiesutd/LatticeLSTM/HEAD/ResumeNER",
    train=(
        "resume/train.char.bmes",
        "93b9bb0be5dd4730121587f9dc1378de3fbbe55cba1c575edec271f822c27be7",
    ),
    dev=(
        "resume/dev.char.bmes",
        "1b0d67153e6e8543e9444936ed1b107bd843078c282533898085e1a9aa293952",
    ),
    test=(
        "resume/test.char.bmes",
        "c4a9f42622819a4b59f66e184d446ebfa89b2f1dbba06e11d70675e59fe7e79b",
    ),
)
# SIGHAN 2006; Levow 2006. No dev part was published: it is cut from train.
MSRA = _files(
    "Determined22/zh-NER-TF/HEAD/data_path",
    train=(
        "msra/train_data",
        "62befe1988b0981834f6f9007ffd5de03c33eceab5dd5cd52fa43546b9221c5f",
    ),
    dev=(
        "msra/train_data",
        "62befe1988b0981834f6f9007ffd5de03c33eceab5dd5cd52fa43546b9221c5f",
    ),
    test=(
        "msra/test_data",
        "ee3a3d7c86352ed8ad9c802f57038db51a870afacf53048d0731af7172f1a7e1",
    ),
)


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
