"""Whether images are independent of each other, as the p-values of shared units assume.

In: an atlas, and the images of a rule. Out: the rule, without p-values if they are not.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unitscope.analyses.near_duplicates import near_duplicate_groups
from unitscope.analyses.unit_rules import Rule
from unitscope.atlas import Atlas


def check_independence(atlas: Atlas, rule: Rule) -> Rule:
    """Return a rule without the p-values for which its images are not independent, as they are near-duplicates.

    The p-value of counts and, with ``at_least``, that of the rule need independent images. Otherwise groups are
    compared by their means, and the p-value needs images in other groups to be independent. Images that are in several
    groups, as those with several labels, and images that are not in the atlas are not checked.
    """
    own = [group.images for group in rule.groups]
    every = [*own, *(group.images for group in rule.others)]
    numbers = _group_numbers(atlas, every)
    images = {image for group in own for image in group if image in numbers}
    repeated = len(images) - len({numbers[image] for image in images})
    dependent = repeated > 0 if rule.at_least is not None else _overlap(every, numbers)
    return replace(
        rule,
        near_duplicates=repeated,
        p_value=None if dependent else rule.p_value,
        support_p=np.full(len(rule.units), np.nan) if repeated else rule.support_p,
    )


def share_images(atlas: Atlas, groups: Sequence[Sequence[str]]) -> bool:
    """Return whether an image of one group is a near-duplicate of an image of another; see `check_independence`."""
    return _overlap(groups, _group_numbers(atlas, groups))


def _group_numbers(atlas: Atlas, groups: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return for each image of the atlas the number of its group of near-duplicates."""
    rows = {image: atlas.image_number(image) for group in groups for image in group if atlas.has_image(image)}
    found = near_duplicate_groups(atlas, np.array(list(rows.values()), np.int64))
    return dict(zip(rows, found.tolist(), strict=True))


def _overlap(groups: Sequence[Sequence[str]], numbers: dict[str, int]) -> bool:
    times = Counter(image for group in groups for image in set(group))
    sets = [{numbers[image] for image in group if image in numbers and times[image] == 1} for group in groups]
    return sum(map(len, sets)) > len(set().union(*sets))
