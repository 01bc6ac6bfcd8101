"""What is installed: extras of the package."""

from importlib import import_module
from typing import Any

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


def require(package: str, feature: str, extra: str) -> Any:
    """Import a package of an extra.

    package (str): Its name, as it is imported.
    feature (str), extra (str): What needs it, and what installs it, for the message.
    RETURNS (Any): The package.
    RAISES (KnnNerError): If it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise KnnNerError(
            Errors.E084, feature=feature, package=package, extra=extra
        ) from error
