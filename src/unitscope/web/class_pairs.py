"""The table of the class pairs that a static site compares, with a link to each comparison.

In: each pair's cosine, links. Out: rows of cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from unitscope.web.links import Links


@dataclass(frozen=True, slots=True)
class Pair:
    """A cell: the other class's name, the link to the comparison, the cosine of the two classes' mean responses."""

    name: str
    link: str
    cosine: float | None


Rows = list[tuple[str, list[Pair | None]]]


def pair_rows(names: Mapping[str, str], cosines: Mapping[tuple[str, str], float | None], links: Links) -> Rows:
    """Return a row for each class in a pair: its name, and a cell for each class, None where the two are not compared.

    Args:
        names: the name of each label, in the order wanted.
        cosines: by pairs of labels.
        links: of the pages.
    """
    both = {**cosines, **{(other, one): value for (one, other), value in cosines.items()}}
    pages = {pair: links.compare(tuple(f"class:{label}" for label in pair)) for pair in cosines}
    known = [label for label in names if any(label in pair for pair in cosines)]

    def cell(one: str, other: str) -> Pair | None:
        if (one, other) not in both:
            return None
        return Pair(names[other], pages.get((one, other)) or pages[other, one], both[one, other])

    return [(names[one], [cell(one, other) for other in known]) for one in known]
