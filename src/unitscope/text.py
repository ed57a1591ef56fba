"""Values said plainly: as JSON has them, and as English counts them.

In: numbers, texts, lists and dictionaries. Out: the same, what is no number being null; "1 unit", "2,048 units".
"""

import math
from typing import Any


def json_safe(value: Any) -> Any:
    """Return a value with None for each float that is NaN or infinite, for which JSON has no word."""
    if isinstance(value, dict):
        return {key: json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def count_noun(count: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless there is one of it: ``"1 image"``, ``"1,024 images"``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
