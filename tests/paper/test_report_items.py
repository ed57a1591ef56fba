import pytest

from unitscope.errors import LayerError
from unitscope.paper.report_items import Missing, attempt


def test_what_can_not_be_had_says_why():
    def fail():
        raise LayerError("no layer 'a'. Name another.")

    assert attempt("Figure 1", fail) == Missing("Figure 1", "no layer 'a'. Name another")
    assert attempt("Figure 1", lambda: 3) == 3


def test_a_mistake_in_the_program_is_not_taken_for_a_reason():
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        attempt("Figure 1", lambda: 1 / 0)
