"""The blocks of a component's config that name registered functions."""

from operator import attrgetter
from typing import Any

import numpy as np
from spacy.language import Language

from ..errors import Errors, KnnNerError
from ..registry import resolve

# The defaults.
BLOCKS: dict[str, dict[str, Any]] = {
    "index": {"@knn_indexes": "spacy_knn_ner.Exact.v1"},
    "interpolation": {
        "@knn_interpolations": "spacy_knn_ner.Constant.v1",
        "weight": 0.3,
    },
    "store": {"@knn_stores": "spacy_knn_ner.Files.v1"},
}


class BlockSetting:
    """A block as an attribute of its component: `knn.interpolation = {"weight": 0.5}`
    changes it, and `knn.interpolation` is what the registered function returns."""

    def __init__(self, source: str) -> None:
        """source (str): The attribute with what the function returns."""
        self._get = attrgetter(source)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, component: Any, owner: type) -> Any:
        return self if component is None else self._get(component)

    def __set__(self, component: Any, block: dict[str, Any]) -> None:
        component.set_settings(**{self.name: block})


def pipe_config(nlp: Language, component: Any) -> dict[str, Any]:
    """Get a component's block in the pipeline's config, which can be changed.

    nlp (Language): The pipeline.
    component (Any): One of its components; otherwise the block is empty.
    """
    for name, other in nlp.components:
        if other is component:
            return nlp.get_pipe_config(name)
    return {}


def config_of(component: Any) -> dict[str, Any]:
    """List all settings of a component, as a config has them.

    component (Any): A `KnnNer`.
    """
    saved = pipe_config(component.nlp, component)
    blocks = {name: dict(saved.get(name, BLOCKS[name])) for name in BLOCKS}
    return {**component.settings.config(), **blocks}


def set_settings(component: Any, changes: dict[str, Any]) -> None:
    """Change settings of a component, also in the pipeline's config.

    component (Any): A `KnnNer`.
    changes (dict[str, Any]): See `KnnNer.set_settings`.
    RAISES (KnnNerError): For a value that is not valid; nothing changes.
    """
    name = component.name
    given = {block: changes[block] for block in BLOCKS if block in changes}
    others = {key: value for key, value in changes.items() if key not in BLOCKS}
    settings = component.settings.replace(name, **others)
    blocks, made = changed_blocks(name, config_of(component), given)
    if "store" in made:  # first, for it may be away
        component.memory.set_place(made["store"])
    component.settings = settings
    component.memory.encoder.settings = settings.keys
    if "index" in made:
        component.memory.set_index_factory(made["index"])
    if "interpolation" in made:
        component._interpolation = made["interpolation"]
    config = pipe_config(component.nlp, component)
    config.update({**settings.config(), **blocks})


def changed_blocks(
    name: str, config: dict[str, Any], changes: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change blocks, and call their registered functions.

    name (str): The component, for messages.
    config (dict[str, Any]): Its config.
    changes (dict[str, Any]): By block.
    RETURNS (tuple[dict[str, Any], dict[str, Any]]): The new blocks, and what their
        functions return.
    RAISES (KnnNerError): If a change is not valid.
    """
    blocks = {
        setting: merge_block(name, setting, config[setting], changed)
        for setting, changed in changes.items()
    }
    made = {
        setting: resolve_block(name, setting, block)
        for setting, block in blocks.items()
    }
    return blocks, made


def merge_block(
    name: str, setting: str, current: dict[str, Any], changes: Any
) -> dict[str, Any]:
    """Merge changes into a block. Another registered function starts without the
    arguments of the present one.

    name (str): The component, for messages.
    setting (str): `"index"`, `"interpolation"` or `"store"`.
    current (dict[str, Any]): The present block.
    changes (Any): What was given.
    RETURNS (dict[str, Any]): The new block.
    RAISES (KnnNerError): If it is no block.
    """
    if not isinstance(changes, dict):
        expected = f"expected a block such as {BLOCKS[setting]}"
        raise KnnNerError(
            Errors.E040, name=name, setting=setting, value=changes, expected=expected
        )
    changes = {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in changes.items()
    }
    function = next(key for key in BLOCKS[setting] if key.startswith("@"))
    if changes.get(function, current[function]) != current[function]:
        return dict(changes)
    return {**current, **changes}


def resolve_block(name: str, setting: str, block: dict[str, Any]) -> Any:
    """Call the registered function of a block.

    name (str): The component, for messages.
    setting (str): `"index"`, `"interpolation"` or `"store"`.
    block (dict[str, Any]): The block.
    RETURNS (Any): What the function returns.
    RAISES (KnnNerError): If there is no such function, or an argument is not valid.
    """
    try:
        return resolve(block)
    except KnnNerError:
        raise
    except ValueError as error:  # of confection and of spaCy's registry
        expected = " ".join(str(error).split())
        raise KnnNerError(
            Errors.E040, name=name, setting=setting, value=block, expected=expected
        ) from error
