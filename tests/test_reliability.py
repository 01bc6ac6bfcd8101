"""The quick part of the harness in reliability/; its long runs are `make crash`,
`corrupt`, `fuzz`, `forks`, `shared` and `soak`."""

import os
import random

import corrupt
import crash
import forks
import fuzz
import pytest
import shared
import soak
import spacy
from small_model import answers, saved

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "kills", "longest"),
    [("component", 8, 0.3), ("pipeline", 4, 0.5), ("verb", 3, 2.0)],
)
def test_what_is_killed_while_it_saves_loses_nothing(what, kills, longest):
    found = crash.run(kills, what, longest, seed=1)
    assert found["wrong"] == []
    assert found["saves that succeeded"]


@needs_fork
def test_damage_in_a_process_of_its_own_is_told_apart(tmp_path):
    """That the harness would notice: unharmed, damaged, and answering otherwise."""
    folder = saved(tmp_path / "model")
    expected = answers(spacy.load(folder))
    assert corrupt.in_a_process(folder, "", expected) == "the same answers"
    assert corrupt.in_a_process(folder, "", []) == "OTHER ANSWERS"
    (path,) = folder.rglob("store.labels.npy")
    names = [name for name, _ in corrupt.damages(path, folder / "config.cfg")]
    assert len(names) == 9
    dict(corrupt.damages(path, folder / "config.cfg"))["swapped"]()
    found = corrupt.in_a_process(folder, "store.labels.npy", expected)
    assert found == "error with a code"


def test_odd_texts_and_files_succeed_or_have_errors_with_codes():
    texts, files = list(fuzz.fuzz_texts(300, 2)), list(fuzz.fuzz_files(1000, 2))
    assert not [found for found in texts + files if found.startswith("NO CODE")]
    assert "succeeded" in texts and "succeeded" in files
    assert fuzz.tried(lambda: int("x")).startswith("NO CODE: ValueError")


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_predicts_the_same(tmp_path):
    nlp = spacy.load(saved(tmp_path / "model"))
    expected = answers(nlp)
    for _ in range(3):
        found = forks.in_a_child(nlp, expected, tmp_path / "traceback")
        assert found == "the same answers"


def test_threads_that_predict_edit_and_save_agree_with_a_plain_model(tmp_path):
    state = soak.Soak(saved(tmp_path / "model"))
    for step in (state.predict, state.edit, state.save) * 5:
        step(random.Random(len(state.words)))
    state.check()
    assert state.errors == [] and state.n_saved == 5
    state.words["Word1"] = [1]  # and it would notice
    state.check()
    assert state.errors


@pytest.mark.slow
def test_a_server_that_is_killed_loses_no_correction():
    found = shared.kill(1, seed=1)
    assert found["acknowledged"]
    assert (found["lost"], found["halves"], found["wrong"]) == (0, 0, [])


@pytest.mark.slow
def test_many_processes_change_a_store_at_once():
    found = shared.crowd(3, 6, seed=1)
    assert found["as expected"] and not found["wrong"]
