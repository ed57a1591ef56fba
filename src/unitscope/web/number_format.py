"""Numbers as people read them on pages: few digits, powers of ten instead of an e, a real minus.

In: numbers. Out: text. ``number`` in page.js says the same.
"""

import math

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWEST, _HIGHEST = -4, 5  # powers of ten that are written out


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits that count, such as 0.0123, −4, 1,234 or 3.1 × 10⁻⁵; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if not value:
        return "0"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if _LOWEST <= power <= _HIGHEST:
        return _tidy(f"{value:,.{max(0, digits - 1 - power)}f}")
    return f"{_tidy(mantissa)} × 10{str(power).translate(_RAISED)}"


def share(value: float | None) -> str:
    """Return a share in per cent."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.1%}"


def _tidy(text: str) -> str:
    """Without zeros at the end that tell nothing."""
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
