"""Convert values to JSON and numbers to English.

In: numbers, strings, lists and dictionaries. Out: values that JSON can hold; phrases such as "2,048 units" or "3.4 MB".
"""

import math
from typing import Any


def json_safe(value: Any) -> Any:
    """Return a value with NaN and infinite floats replaced by None, since JSON can't represent them."""
    if isinstance(value, dict):
        return {key: json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sentence(text: str) -> str:
    """Return a text as a sentence, with a capital letter and a full stop; empty for an empty text.

    Examples:
        >>> sentence("12 units are dead")
        '12 units are dead.'
    """
    return f"{text[0].upper()}{text[1:]}." if text else ""


def byte_count(count: float) -> str:
    """Return a number of bytes with a unit.

    Examples:
        >>> byte_count(12), byte_count(3_400_000)
        ('12 bytes', '3.4 MB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def count_noun(count: int, noun: str) -> str:
    """Return a number with its noun in the singular or plural.

    Examples:
        >>> count_noun(1, "image"), count_noun(1024, "image")
        ('1 image', '1,024 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
