"""Entities with scores in their text, as displaCy draws them, and their evidence."""

from bisect import bisect_left
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import Any

from spacy.displacy.render import DEFAULT_ENTITY_COLOR, DEFAULT_LABEL_COLORS
from spacy.tokens import Doc
from spacy.util import is_in_jupyter

from ..components.knn_ner import KnnNer
from ..inference.explanation import Explanation

_TEMPLATES = Path(__file__).parent / "templates"
_WORDS = 8  # shown to either side of a neighbor's token


def render(
    docs: Doc | Iterable[Doc],
    knn: KnnNer,
    *,
    page: bool = False,
    jupyter: bool | None = None,
    colors: dict[str, str] | None = None,
    n: int = 3,
) -> str | None:
    """Draw the entities of Docs, with the reasons for each in a part that opens.

    docs (Doc | Iterable[Doc]): From the component's pipeline.
    knn (KnnNer): The component.
    page (bool): A whole HTML page. Default: False, a part of one.
    jupyter (bool | None): Show it in the notebook. Default: None, find out.
    colors (dict[str, str] | None): By label; others have displaCy's.
    n (int): Neighbors per token, at most so many of each kind. Default: 3.
    RETURNS (str | None): HTML; None where it is displayed.
    """
    chosen = colors or {}

    def color(label: str) -> str:
        default = DEFAULT_LABEL_COLORS.get(label.upper(), DEFAULT_ENTITY_COLOR)
        return chosen.get(label, default)

    every = [docs] if isinstance(docs, Doc) else list(docs)
    template = environment(_TEMPLATES).get_template("entities.html")
    html = template.render(
        docs=[_parts(doc, knn.explain(doc, n=n)) for doc in every],
        page=page,
        color=color,
        around=_around,
    )
    if jupyter or (jupyter is None and is_in_jupyter()):
        from IPython.display import HTML, display

        display(HTML(html))
        return None
    return html


def _parts(doc: Doc, explanation: Explanation) -> list[Any]:
    """Texts, and between them entities with their tokens."""
    parts: list[Any] = []
    end = 0
    for entity in explanation.entities:
        if entity.predicted:
            bounds = entity.start, entity.end
            first, last = (
                bisect_left(explanation.tokens, i, key=attrgetter("i")) for i in bounds
            )
            tokens = explanation.tokens[first:last]
            parts += [doc[end : entity.start].text_with_ws, (entity, tokens)]
            parts.append(doc[entity.end - 1].whitespace_)
            end = entity.end
    return [*parts, doc[end:].text_with_ws]


def _around(evidence: Any) -> tuple[str, str, str]:
    """The words before a neighbor's token, the token, and the words after it."""
    i, words = evidence.token, evidence.words
    pairs = list(zip(words, evidence.spaces, strict=True))
    before, after = pairs[max(0, i - _WORDS) : i], pairs[i + 1 : i + 1 + _WORDS]
    texts = ["".join(w + " " * s for w, s in part) for part in (before, after)]
    return texts[0], words[i], " " * evidence.spaces[i] + texts[1]


def environment(templates: Path) -> Any:
    """Make a Jinja environment for HTML; text is escaped.

    templates (Path): The folder they are in.
    RETURNS (jinja2.Environment): A new one.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
