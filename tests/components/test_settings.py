"""Settings: checked, changeable, kept on save, overridden on load."""

import numpy as np
import pytest
import spacy
from util import SHORT, annotated_docs, configure, knn_config

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.settings import KeySettings

pytestmark = pytest.mark.filterwarnings("ignore:.*KNN-W005")

IMPOSSIBLE = [
    *[("k", value) for value in (0, -1, "4", 2.5, True)],
    *[("temperature", value) for value in (0, -1, "1", None, float("nan"), True)],
    *[("weight", value) for value in (1.5, -0.1, "0.5", None, float("inf"))],
    *[("correction_weight", value) for value in (1.5, -0.1, "0.5")],
    *[("radius", value) for value in (0, -1, "1")],
    *[("other_words_radius", value) for value in (-1, "1", None)],
    *[("correction_temperature", value) for value in (0, -1, "1", None)],
    *[("correction_votes", value) for value in (0, -1, "1", None)],
    *[("metric", value) for value in ("l2", None)],
    *[("index", value) for value in ("ivf", None)],
    *[("decoding", value) for value in ("beam", None)],
    *[("keys", value) for value in ({"source": "x"}, {"pooling": "max"})],
    *[("keys", value) for value in ({"dtype": "int8"}, {"layer": "1"}, {"no": 1}, 7)],
]


@pytest.mark.parametrize(("setting", "value"), IMPOSSIBLE)
def test_impossible_values_are_refused_when_set(setting, value):
    knn = spacy.blank("en").add_pipe("knn_ner")
    before = knn.settings, knn.config()
    with pytest.raises(KnnNerError) as caught:
        configure(knn, **{setting: value})
    assert caught.value.code in ("KNN-E040", "KNN-E086", "KNN-E030")
    names = setting, *SHORT.get(setting, ())
    assert any(name in str(caught.value) for name in names)
    assert (knn.settings, knn.config()) == before


@pytest.mark.parametrize(
    ("setting", "value"),
    [pair for pair in IMPOSSIBLE if str(pair[1]) not in ("nan", "inf")],
)
def test_impossible_values_are_refused_in_a_config(setting, value):
    with pytest.raises(Exception) as caught:
        spacy.blank("en").add_pipe("knn_ner", config=knn_config(**{setting: value}))
    # spaCy's own check of types may come first; both name the setting.
    names = setting, *SHORT.get(setting, ())
    assert any(name in str(caught.value) for name in names)
    is_ours = isinstance(caught.value, KnnNerError)
    assert is_ours or type(caught.value).__name__ == "ConfigValidationError"


@pytest.mark.parametrize(
    ("setting", "value"),
    [("k", "4"), ("k", 0), ("radius", 0), ("temperature", 0), ("radius", "0.5")],
)
def test_what_spacys_check_lets_through_has_a_code(setting, value):
    with pytest.raises(KnnNerError, match="KNN-E040"):
        spacy.blank("en").add_pipe("knn_ner", config=knn_config(**{setting: value}))


def test_numpy_numbers_become_plain_ones():
    knn = spacy.blank("en").add_pipe("knn_ner")
    knn.k = np.int64(4)
    configure(knn, weight=np.float32(0.5))
    assert type(knn.k) is int
    assert type(knn.interpolation.weight) is float


CHANGES = {
    "k": 3,
    "temperature": 0.7,
    "weight": 0.45,
    "metric": "euclidean",
    "index": "torch",
    "decoding": "argmax",
    "correction_weight": 0.8,
    "correction_temperature": 0.3,
    "correction_votes": 5.0,
    "radius": 2.5,
    "other_words_radius": 0.1,
}


@pytest.mark.parametrize("way", ["disk", "bytes", "config"])
def test_changed_settings_survive(way, built, tmp_path):
    knn = built.get_pipe("knn_ner")
    configure(knn, **CHANGES)
    if way == "disk":
        built.to_disk(tmp_path)
        again = spacy.load(tmp_path)
    else:
        again = spacy.blank("en").from_config(built.config)
        if way == "bytes":
            again.from_bytes(built.to_bytes())
    assert again.get_pipe("knn_ner").config() == knn.config()


@pytest.mark.parametrize(
    ("given", "changed", "override"),
    [
        (4, 8, 16),
        (4, 8, 4),  # back to what it was made with
        (4, None, 8),
        (4, 8, None),
        (None, 8, None),
        (4, None, 4),
    ],
)
def test_an_override_wins_over_what_was_saved(given, changed, override, tmp_path, cnn):
    knn = cnn.get_pipe("knn_ner")
    knn.k = given
    knn.build(annotated_docs(cnn), show_progress=False)
    knn.k = changed
    cnn.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("knn_ner").k == changed
    nlp = spacy.load(tmp_path, config={"components": {"knn_ner": {"k": override}}})
    assert nlp.get_pipe("knn_ner").k == override
    nlp.to_disk(tmp_path / "again")
    assert spacy.load(tmp_path / "again").get_pipe("knn_ner").k == override


def test_a_renamed_component_keeps_its_changes(built, tmp_path):
    built.rename_pipe("knn_ner", "memory")
    built.get_pipe("memory").k = 5
    built.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("memory").k == 5


def test_key_settings_can_be_changed_in_part():
    knn = spacy.blank("en").add_pipe("knn_ner", config={"keys": {"pooling": "first"}})
    knn.keys = {"layer": 2}
    assert knn.keys == KeySettings(pooling="first", layer=2)
