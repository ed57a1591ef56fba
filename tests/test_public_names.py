"""What users of the library call changes on purpose only."""

from tests.public_names import KEPT, public_names


def test_public_names_and_their_parameters_are_those_that_are_kept():
    kept = KEPT.read_text("utf-8").splitlines()
    told = "if it is on purpose, renew the list with `python -m tests.public_names`"
    assert public_names() == kept, told
