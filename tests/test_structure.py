"""The structure: importing is cheap, rooms import downwards only, files stay small."""

import ast
import re
from pathlib import Path

import pytest
from util import run_python

import spacy_knn_ner

PACKAGE = Path(spacy_knn_ner.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"faiss", "torch", "transformers", "spacy_transformers", "jinja2", "fastapi"}
HEAVY |= {
    "tantivy",
    "rapidfuzz",
    "elasticsearch",
    "opensearchpy",
    "ray",
    "psycopg",
    "qdrant_client",
}
LOADED = """
import json, sys
from importlib.metadata import entry_points
groups = ["spacy_factories", "spacy_architectures", "spacy_batchers", "spacy_cli"]
groups += ["spacy_readers", "spacy_misc"]
groups += ["spacy_knn_indexes", "spacy_knn_interpolations", "spacy_knn_stores"]
groups += ["spacy_knn_engines", "spacy_knn_rerankers"]
points = [p for group in groups for p in entry_points(group=group)]
ours = [p for p in points if p.value.startswith("spacy_knn_ner")]
import spacy, thinc.api
before = set(sys.modules)
for point in ours:
    point.load()
print(json.dumps([len(ours), sorted(set(sys.modules) - before)]))
"""
# From the bottom to the top: each imports from those before it.
ROOMS = [
    "errors",
    "tags",
    "types",
    "digest",
    "folders",
    "locking",
    "registry",
    "ml",
    "datastore",
]
ROOMS += [
    "datastore",
    "corpora",
    "retrieval",
    "settings",
    "corrections",
    "inference",
    "reading",
    "components",
]
ROOMS += ["evaluation", "rendering", "serve", "cluster", "cli"]


def test_entry_points_import_nothing_heavy(tmp_path):
    n_points, added = run_python(LOADED, tmp_path, 120)
    assert n_points == 29
    assert "spacy_knn_ner.components.factory" in added
    assert HEAVY.isdisjoint(added)


def test_the_package_itself_imports_nothing(tmp_path):
    script = (
        "import json, sys, spacy_knn_ner; print(json.dumps('spacy' in sys.modules))"
    )
    assert run_python(script, tmp_path, 60) is False


def test_public_names_are_imported_when_they_are_used():
    for name in spacy_knn_ner.__all__:
        assert getattr(spacy_knn_ner, name) is not None
    assert set(spacy_knn_ner.__all__) <= set(dir(spacy_knn_ner))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        spacy_knn_ner.nothing  # noqa: B018


def test_heavy_libraries_are_imported_where_they_are_used():
    """spaCy imports torch by itself where it is installed, which hides ours."""
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf8")).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            if path.parent.name != "serve":  # imported by its verb
                assert HEAVY.isdisjoint(name.split(".")[0] for name in names), path


def test_rooms_import_downwards_only():
    """`ml` and `datastore` know no pipeline; nothing imports what is above it."""
    for path in FILES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        room = parts[0]
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if not isinstance(node, ast.ImportFrom) or node.level == 0:
                continue
            above = node.level >= len(parts)
            target = (node.module or "").split(".")[0] if above else room
            assert ROOMS.index(target) <= ROOMS.index(room), f"{path} → {target}"


def test_only_reading_and_the_rooms_above_know_docs():
    for path in FILES:
        room = path.relative_to(PACKAGE).parts[0]
        if room in ("datastore", "corrections", "inference"):
            assert "spacy.tokens" not in path.read_text(encoding="utf8"), path


def test_files_and_folders_stay_small():
    for path in FILES:
        assert len(path.read_text(encoding="utf8").splitlines()) <= 350, path
    for folder in {path.parent for path in FILES}:
        modules = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
        assert len(modules) <= 14, folder


def test_no_class_has_more_than_one_base_of_ours():
    names, bases = set(), {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.ClassDef):
                names.add(node.name)
                bases[node.name] = [ast.unparse(base) for base in node.bases]
    for name, found in bases.items():
        if name == "Errors":
            continue  # texts alone, by room
        assert sum(base in names for base in found) <= 1, name


def test_tables_do_not_know_kinds_of_indexes():
    for path in (PACKAGE / "datastore").rglob("*.py"):
        for line in path.read_text(encoding="utf8").splitlines():
            assert not re.search(r"isinstance\(.*[Ii]ndex", line), path


def test_the_glossary_bans_no_word_in_use():
    """docs/glossary.md has a list of words that the package does not use."""
    glossary = PACKAGE.parent / "docs" / "glossary.md"
    if not glossary.exists():
        pytest.skip("installed without its docs")
    text = glossary.read_text(encoding="utf8")
    (banned,) = re.findall(r"<!-- banned: (.*?) -->", text, flags=re.S)
    words = re.compile(rf"\b({'|'.join(banned.split())})\b", flags=re.I)
    for path in [*FILES, *PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.js")]:
        for number, line in enumerate(path.read_text("utf8").splitlines(), start=1):
            found = words.search(line)
            assert not found, f"{path}:{number}: {found and found.group()}"


def test_every_error_has_a_code_of_its_own():
    from spacy_knn_ner.errors import _CODES, Errors, Notes, Warnings

    texts = [
        (code, text)
        for holder in (*Errors.__bases__, Warnings, Notes)
        for code, text in vars(holder).items()
        if code[0] != "_"
    ]
    codes = {code for code, _ in texts}
    assert len(texts) == len(codes) == len({text for _, text in texts}) == len(_CODES)
