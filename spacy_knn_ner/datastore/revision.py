"""What two corrections of the same words say together: the later one is right."""

from dataclasses import replace

import numpy as np

from ..tags import MISSING, TagSet
from ..ty import LabelledText


def contradicts(earlier: LabelledText, later: LabelledText) -> bool:
    """Whether both have annotated a token, and not alike.

    earlier, later (LabelledText): Of the same words.
    """
    one, other = _tags(earlier, later)
    return bool(np.any((one != other) & (one != MISSING) & (other != MISSING)))


def says_the_same(earlier: LabelledText, later: LabelledText) -> bool:
    """Whether they annotate the same tokens, and alike.

    earlier, later (LabelledText): Of the same words.
    """
    one, other = _tags(earlier, later)
    return bool(np.array_equal(one, other))


def revised(earlier: LabelledText, later: LabelledText) -> LabelledText:
    """The later one, and what the earlier one says of the tokens it is silent about.

    earlier, later (LabelledText): Of the same words.
    """
    silent = set(later.missing)
    kept = [span for span in earlier.entities if silent.issuperset(range(*span[:2]))]
    dropped = set(earlier.entities) - set(kept)
    unknown = silent & set(earlier.missing)
    unknown |= silent & {i for start, end, _ in dropped for i in range(start, end)}
    return replace(
        later, entities=sorted(later.entities + kept), missing=sorted(unknown)
    )


def _tags(*texts: LabelledText) -> list[np.ndarray]:
    tag_set = TagSet("BILUO")
    for text in texts:
        tag_set = tag_set.union([label for _, _, label in text.entities])
    return [tag_set.encode(len(t.words), t.entities, t.missing) for t in texts]
