"""Digests of files, and JSON that carries its own."""

import hashlib
import json
from pathlib import Path
from typing import Any

_DIGEST = "sha256"  # the name of the digest in signed JSON


def sha256(path: str | Path) -> str:
    """Compute the SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def signed_json(content: dict[str, Any]) -> str:
    """Serialize a JSON object, with a digest of itself.

    content (dict[str, Any]): Every digit of its numbers is kept.
    """
    signed = {**content, _DIGEST: _digest(content)}
    return json.dumps(signed, ensure_ascii=False, indent=1) + "\n"


def read_json_object(text: str) -> dict[str, Any]:
    """Read a JSON object.

    RAISES (ValueError): If it is something else.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def without_digest(content: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Check that an object is the one that `signed_json` wrote.

    content (dict[str, Any]): As it was read.
    required (bool): Refuse an object without digest. Default: True.
    RETURNS (dict[str, Any]): The content.
    RAISES (ValueError): If it was changed.
    """
    content = dict(content)
    found = content.pop(_DIGEST, None)
    if (found is not None or required) and found != _digest(content):
        raise ValueError("it is not as it was saved")
    return content


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)  # ASCII, so that it can be encoded
    return hashlib.sha256(text.encode()).hexdigest()
