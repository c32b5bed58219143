"""Text-format protocol buffers in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import text_format

from tendies_ops.server.status_codes import StatusError, invalid_argument


def read_text_proto(path: str, message: Any) -> Any:
    """
    Parse a text-format file.

    :param message: is filled and returned.
    :raises StatusError: the file cannot be read, or does not hold such a message.
    """
    try:
        text = Path(path).read_text()
    except OSError as error:
        code = "NOT_FOUND" if isinstance(error, FileNotFoundError) else "FAILED_PRECONDITION"
        raise StatusError(code, f"{path}; {error.strerror}") from None
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        what = f"Error parsing text-format {message.DESCRIPTOR.full_name}: {str(error).replace(' : ', ': ', 1)}"
        raise invalid_argument(f"Invalid protobuf file: '{path}' ({what})") from None
