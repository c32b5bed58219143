"""
Numbers as RapidJSON 1.1.0 reads them without kParseFullPrecisionFlag.

One double in eight is a unit off in the last place.

Source: rapidjson/reader.h (ParseNumber) and internal/strtod.h of version 1.1.0.
"""

from __future__ import annotations

import re
import sys
from typing import Final

#: sign, whole part, fraction, exponent
NUMBER: Final = re.compile(rb"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")


def double_of(text: str) -> float:
    """
    A number with fraction or exponent as RapidJSON reads it.

    :raises ValueError: it is too big.
    """
    match = NUMBER.match(text.encode())
    value = None if match is None else number_of(match)
    if value is None:
        raise ValueError(text)
    return float(value)


def number_of(match: re.Match[bytes]) -> int | float | None:
    """The value of a number, None where it is too big for a double."""
    sign, whole, fraction, exponent = match.groups()
    integer = int(whole) if len(whole) < 400 else 10**399
    limit = (1 << 63) if sign else (1 << 64) - 1
    if fraction is None and exponent is None and integer <= limit:
        return -integer if sign else integer
    value = _double(whole, fraction or b"", exponent, limit)
    if value is None:
        return None
    return -value if sign else value


def _double(whole: bytes, fraction: bytes, exponent: bytes | None, limit: int) -> float | None:
    significand, scale = _significand(whole, fraction, limit)
    if significand is None:
        return None
    exp = (
        int(exponent or 0) if len(exponent or b"") < 12 else (1 if exponent and exponent[0] != ord("-") else -1) * 10**9
    )
    # The bound is checked from the second digit of the exponent on.
    if exp > 308 - scale and len((exponent or b"").lstrip(b"+")) > 1:
        return None
    return _flushed(_scaled(significand, exp + scale))


def _significand(whole: bytes, fraction: bytes, limit: int) -> tuple[float | None, int]:
    """The digits as a double and the power of ten that is still to be applied."""
    digits, value = _whole_part(whole, limit)
    if value is None:
        return None, 0
    if not fraction:
        return float(value), 0
    used = 0
    if isinstance(value, int):
        while used < len(fraction) and value <= 0x1FFFFFFFFFFFFF:
            value = value * 10 + fraction[used] - 48
            used += 1
            digits += value != 0
    result = float(value)
    scale = used
    for byte in fraction[used:]:
        if digits < 17:
            result = result * 10.0 + (byte - 48)
            scale += 1
            digits += result > 0.0
    return result, -scale


def _whole_part(whole: bytes, limit: int) -> tuple[int, int | float | None]:
    """Digits counted so far (the first one is not), and the value: an int while it fits, None when too big."""
    value = int(whole[:20])
    if len(whole) <= 20 and value <= limit:
        return len(whole) - 1, value
    most = len(str(limit))
    kept = most - 1 if int(whole[:most]) > limit else most
    result = float(int(whole[:kept]))
    for byte in whole[kept:]:
        if result >= 1.7976931348623157e307:
            return 0, None
        result = result * 10 + (byte - 48)
    return kept - 1, result


def _scaled(significand: float, power: int) -> float:
    if power < -308:
        return _fast_path(_fast_path(significand, -308), power + 308)
    return _fast_path(significand, power)


def _fast_path(significand: float, power: int) -> float:
    if power < -308:
        return 0.0
    if power >= 0:
        return significand * float(f"1e{power}") if power <= 308 else float("inf")
    return significand / float(f"1e{-power}")


def _flushed(value: float) -> float:
    # The real server parses on threads that flush denormal numbers to zero (TensorFlow's thread pools).
    return value if abs(value) >= sys.float_info.min else 0.0
