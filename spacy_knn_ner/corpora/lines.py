"""Lines of text files, with their numbers."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import Errors, KnnNerError

# Not str.split(): a token may be a no-break or an ideographic space.
_SPACES = re.compile("[ \t]+")


def split_columns(line: str) -> list[str]:
    """Split a line into columns at spaces and tabs."""
    return _SPACES.split(line.strip(" \t"))


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a UTF-8 file, without their ends.

    path (Path): With or without a byte order mark; lines end with LF or CRLF.
    YIELDS (tuple[int, str]): Line number, from 1, and the line.
    RAISES (KnnNerError): If it cannot be read, or is not UTF-8.
    """
    number = 0
    try:
        # Not splitlines(): it would also cut at U+2028 and friends inside a token.
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                line = line.rstrip("\r\n")
                if "\r" in line:
                    reason = f"line {number} has a carriage return inside"
                    raise KnnNerError(Errors.E024, path=path, reason=reason)
                yield number, line
    except UnicodeDecodeError as error:
        raise KnnNerError(
            Errors.E024, path=path, reason=f"it is not UTF-8 after line {number}"
        ) from error
    except OSError as error:
        raise KnnNerError(Errors.E024, path=path, reason=error.strerror) from error
