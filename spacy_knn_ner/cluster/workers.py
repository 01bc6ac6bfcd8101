"""Work on a Ray cluster: rows in, rows out, one pipeline per worker."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Errors, KnnNerError
from ..ml.extras import require

Row = dict[str, Any]


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """Use a cluster; one of this machine ends afterwards.

    address (str): `"local"` for one of this machine's cores, `"auto"` for the one that
        this machine is a part of, or such as `"ray://head:10001"`.
    YIELDS (Any): The package `ray`.
    RAISES (KnnNerError): If Ray is not installed.
    """
    ray = require("ray", "A cluster", "ray")
    require("ray.data", "A cluster", "ray")
    was_there = ray.is_initialized()
    if not was_there:
        ray.init(address, log_to_driver=False, logging_level="warning")
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield ray
    finally:
        if not was_there:
            ray.shutdown()


def mapped(
    ray: Any,
    rows: Iterable[Row],
    worker: type,
    arguments: tuple[Any, ...],
    *,
    workers: int | None,
    on_gpu: bool,
) -> Iterator[Row]:
    """Map rows with workers. If one dies, another does its work again.

    ray (Any): From `cluster`.
    rows (Iterable[Row]): In any order.
    worker (type): Made once per process; called with a row, returns one.
    arguments (tuple): What it is made with; large ones as references of `ray.put`.
    workers (int | None): How many. Default: one per core, or per GPU.
    on_gpu (bool): Whether each has a GPU of its own.
    YIELDS (Row): As soon as they are there, in any order.
    RAISES (KnnNerError): If the cluster has nothing that a worker could use.
    """
    given = list(rows)
    if not given:
        return
    resource = "GPU" if on_gpu else "CPU"
    there = int(ray.cluster_resources().get(resource, 0))
    if not there:
        raise KnnNerError(Errors.E130, resource=resource)
    size = min(workers or there, len(given))
    found = ray.data.from_items(given, override_num_blocks=len(given)).map(
        worker,
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(size=size),
        num_cpus=0 if on_gpu else 1,
        num_gpus=1 if on_gpu else 0,
    )
    yield from found.iter_rows()
