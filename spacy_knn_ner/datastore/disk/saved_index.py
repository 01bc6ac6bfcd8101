"""The index of a table of entries on disk."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import Errors, KnnNerError
from ..entries import METRIC_OF, EntryTable
from ..index.fidelity import Fidelity


def save(table: EntryTable, prefix: Path) -> dict[str, Any] | None:
    """Write the files of the index, over the entries that are not removed.

    table (EntryTable): With the index.
    prefix (Path): What the paths of files begin with.
    RETURNS (dict[str, Any] | None): For `load`, as JSON; None without index.
    """
    if table.index is None or table.index_made_by is None:
        return None
    index = table.make_index(METRIC_OF[table.index_made_by[1]])
    return describe(table, index.save(prefix, ~table.removed))


def describe(table: EntryTable, state: dict[str, Any]) -> dict[str, Any] | None:
    """Describe the index for `load`, as JSON; None without index.

    table (EntryTable): With the index.
    state (dict[str, Any]): From `VectorIndex.save`.
    """
    if table.index is None or table.index_made_by is None:
        return None
    factory, unit = table.index_made_by
    return {
        "made_by": factory.identity(),
        "unit": unit,
        "info": table.index.info(),
        "search_param": table.index.search_param,
        "refine_factor": table.index.refine_factor,
        "fidelity": None if table.fidelity is None else asdict(table.fidelity),
        "state": state,
    }


def load(table: EntryTable, prefix: Path, saved: dict[str, Any]) -> None:
    """Use an index that was saved with these keys, if it was made by the table's
    `index_factory`; otherwise a search makes another.

    table (EntryTable): With the keys.
    prefix (Path), saved (dict[str, Any]): See `save`.
    RAISES (KnnNerError): If it is damaged.
    """
    if saved["made_by"] != table.index_factory.identity():
        return
    stored = table.stored_keys(saved["unit"])
    index = table.index_factory.load(stored, prefix, saved["state"])
    index.search_param = saved["search_param"]
    index.refine_factor = saved["refine_factor"]
    if len(index) not in (0, table.n_rows):
        reason = f"the index has {len(index)} keys"
        raise KnnNerError(Errors.E032, path=prefix.parent.parent, reason=reason)
    table.use_index(index, stored, saved["unit"])
    if saved["fidelity"] is not None:
        table.fidelity = Fidelity(**saved["fidelity"])
    if table.rows.saved is not None:
        table.rows.saved.index_state = saved["state"]
