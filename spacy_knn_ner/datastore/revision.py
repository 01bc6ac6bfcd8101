"""What two corrections of the same words say together: the later one is right."""

from dataclasses import replace

import numpy as np

from ..tags import MISSING, TagSet
from ..ty import LabelledText


def without(earlier: LabelledText, later: LabelledText) -> LabelledText:
    """The earlier one, but silent about what the later one contradicts: single tokens,
    and entities as a whole.

    earlier, later (LabelledText): Of the same words.
    """
    one, other = _tags(earlier, later)
    wrong = (one != other) & (one != MISSING) & (other != MISSING)
    kept = [e for e in earlier.entities if not wrong[e[0] : e[1]].any()]
    for start, end, _ in earlier.entities:
        wrong[start:end] |= wrong[start:end].any()
    missing = sorted({*earlier.missing, *np.flatnonzero(wrong).tolist()})
    return replace(earlier, entities=kept, missing=missing)


def says_the_same(earlier: LabelledText, later: LabelledText) -> bool:
    """Whether they annotate the same tokens, and alike.

    earlier, later (LabelledText): Of the same words.
    """
    one, other = _tags(earlier, later)
    return bool(np.array_equal(one, other))


def _tags(*texts: LabelledText) -> list[np.ndarray]:
    tag_set = TagSet("BILUO")
    for text in texts:
        tag_set = tag_set.union([label for _, _, label in text.entities])
    return [tag_set.encode(len(t.words), t.entities, t.missing) for t in texts]
