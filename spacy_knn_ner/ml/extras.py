"""What is installed: torch is an extra."""

from ..errors import Errors, KnnNerError


def has_torch() -> bool:
    """Check whether torch is installed."""
    from thinc import compat

    return compat.has_torch


def require_torch(feature: str) -> None:
    """Check that torch is installed.

    feature (str): What needs it, for the message.
    RAISES (KnnNerError): If it is not.
    """
    if not has_torch():
        raise KnnNerError(Errors.E084, feature=feature, package="torch", extra="torch")
