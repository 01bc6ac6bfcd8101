"""Every message a user can meet, with a code to search for.

`raise KnnNerError(Errors.E001, scheme="BIOX")` fills in the braces and puts the
code in front. Codes are never reused.
"""

from typing import Any

from .component import ComponentErrors
from .contexts import ContextErrors
from .corpora import CorpusErrors
from .datastore import DatastoreErrors
from .interfaces import InterfaceErrors
from .training import TrainingErrors
from .warnings import Notes as Notes
from .warnings import Warnings as Warnings


class Errors(
    ComponentErrors,
    ContextErrors,
    CorpusErrors,
    DatastoreErrors,
    InterfaceErrors,
    TrainingErrors,
):
    """All of them, by their codes."""


class KnnNerError(ValueError):
    """Something the user can fix; the message says how.

    code (str): The message's code, such as `"KNN-E001"`.
    """

    def __init__(self, message: str, /, **details: Any) -> None:
        self.code = f"KNN-{_CODES[message]}"
        super().__init__(f"[{self.code}] {message.format(**details)}")
        self._made_of = message, details

    def __reduce__(self) -> Any:
        """Errors are pickled between processes."""
        return _make_error, self._made_of


def _make_error(message: str, details: dict[str, Any]) -> KnnNerError:
    return KnnNerError(message, **details)


class KnnNerWarning(UserWarning):
    """Something the user probably did not intend."""


def warning(message: str, /, **details: Any) -> KnnNerWarning:
    """Fill in code and details, for `warnings.warn`."""
    return KnnNerWarning(f"[KNN-{_CODES[message]}] {message.format(**details)}")


def note(message: str, /, **details: Any) -> str:
    """Fill in code and details, for the log."""
    return f"[KNN-{_CODES[message]}] {message.format(**details)}"


_CODES = {
    getattr(holder, code): code
    for holder in (Errors, Warnings, Notes)
    for code in dir(holder)
    if not code.startswith("_")
}
