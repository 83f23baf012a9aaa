"""Read a text file of the user's own.

Knows nothing of what it says. Every mistake is a DataError that names the file.
"""

from pathlib import Path

from training.errors import DataError


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8; raises DataError if it cannot be read or is no text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"text file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"text file {path} is not UTF-8: byte {error.start} is {error.reason}") from error
    if "\0" in text:
        raise DataError(f"text file {path} holds a zero byte: it is not text")
    return text
