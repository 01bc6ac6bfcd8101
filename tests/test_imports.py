"""Importing is cheap, and rooms import downwards only."""

import ast
from pathlib import Path

from conftest import run_python

import spacy_knn_ner

HEAVY = {"faiss", "torch", "transformers", "spacy_transformers"}
LOADED = """
import json, sys
from importlib.metadata import entry_points
groups = ["spacy_factories", "spacy_architectures", "spacy_cli"]
points = [p for group in groups for p in entry_points(group=group)]
ours = [p for p in points if p.value.startswith("spacy_knn_ner")]
import spacy, thinc.api
before = set(sys.modules)
for point in ours:
    point.load()
print(json.dumps([len(ours), sorted(set(sys.modules) - before)]))
"""


def test_entry_points_import_nothing_heavy(tmp_path):
    n_points, added = run_python(LOADED, tmp_path, 120)
    assert n_points == 4
    assert "spacy_knn_ner.pipeline.knn_ner" in added
    assert HEAVY.isdisjoint(added)


def test_heavy_libraries_are_imported_where_they_are_used():
    """spaCy imports torch by itself where it is installed, which hides ours."""
    for path in Path(spacy_knn_ner.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf8")).body:
            names = [alias.name for alias in getattr(node, "names", [])]
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert HEAVY.isdisjoint(name.split(".")[0] for name in names), path


ROOMS = ["errors", "tags", "digest", "locking", "ty", "ml", "datastore", "corpora"]
ROOMS += ["pipeline", "rendering", "evaluation", "serve", "cli"]


def test_rooms_import_downwards_only():
    """`ml` and `datastore` know no pipeline; nothing imports what is above it."""
    root = Path(spacy_knn_ner.__file__).parent
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        room = parts[0]
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if not isinstance(node, ast.ImportFrom) or node.level == 0:
                continue
            above = node.level >= len(parts)
            target = (node.module or "").split(".")[0] if above else room
            assert ROOMS.index(target) <= ROOMS.index(room), f"{path} → {target}"


def test_every_error_has_a_code_of_its_own():
    from spacy_knn_ner.errors import _CODES, Errors, Notes, Warnings

    texts = [
        v for c in (Errors, Warnings, Notes) for k, v in vars(c).items() if k[0] != "_"
    ]
    assert len(texts) == len(set(texts)) == len(_CODES)
