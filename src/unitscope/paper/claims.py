"""The paper's claims, and whether the data of a report support them.

In: the networks of a report. Out: one `Claim` per network and claim: a verdict, the number that gives it, and the rule.
The rules are those of `verdicts`; docs/commands/paper.md lists them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from unitscope.paper.claim_tests import TESTS, sparser_than
from unitscope.paper.networks import ReportNetwork, Unscanned
from unitscope.paper.report_items import Missing, Table, attempt
from unitscope.paper.verdicts import Verdict, unknown

TITLE = "Claims of the paper, and whether these data support them"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper, and what these data say of it.

    Attributes:
        claim: the claim.
        where: the paper's figure or table.
        network: the network; two of them, if the claim compares them.
        measure: what the number is.
        rule: when it is supported, and when not.
        verdict: the answer and the number.
    """

    claim: str
    where: str
    network: str
    measure: str
    rule: str
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the claim as plain values, with None for unknown numbers."""
        verdict, number = self.verdict, self.verdict.number
        interval = [number.low, number.high] if np.isfinite([number.low, number.high]).all() else None
        return {
            "claim": self.claim,
            "where": self.where,
            "network": self.network,
            "verdict": verdict.answer,
            "number": number.value if np.isfinite(number.value) else None,
            "interval": interval,
            "p_value": verdict.p_value,
            "images": number.images,
            "measure": self.measure,
            "rule": self.rule,
            "remark": verdict.why,
        }


def claims_of(cases: Sequence[ReportNetwork]) -> Iterator[Claim]:
    """Yield the claims about each network that was run on images, and the one that compares two."""
    run = [case for case in cases if {type(case.images_scan), type(case.coco_scan)} != {Unscanned}]
    for test in TESTS:
        for case in run:
            verdict = _judged(partial(test.judge, case))
            yield Claim(test.claim, test.where, case.name, test.measure, test.rule, verdict)
    if run:
        yield from _comparison(run)


def claims_table(claims: Sequence[Claim]) -> Table:
    """Return the claims as a table."""
    rows = []
    for claim in claims:
        values = claim.to_dict()
        low, high = values["interval"] or (None, None)
        rows.append(
            {
                "claim": claim.claim,
                "paper": claim.where,
                "network": claim.network,
                "verdict": claim.verdict.answer,
                "number": _text(values["number"]),
                "95 % interval": "" if low is None else f"{_text(low)} to {_text(high)}",
                "p": "" if values["p_value"] is None else f"{values['p_value']:.2g}",
                "images": values["images"] or None,
                "remark": claim.verdict.why,
            }
        )
    note = (
        "Each claim is judged by one number and its 95 % interval, or by a test; the rules are below. Where "
        "neither side of the rule holds, it can't be told from these data. Each verdict stands by itself: of twenty "
        "claims that hold at the bound, one would get a wrong verdict by chance."
    )
    return Table("claims", TITLE, pd.DataFrame(rows).convert_dtypes(), note)


def rules_table(claims: Sequence[Claim]) -> Table:
    """Return what judges each claim, once for all networks."""
    rows = {
        claim.claim: {"claim": claim.claim, "what the number is": claim.measure, "verdict": claim.rule}
        for claim in claims
    }
    return Table("claims-rules", "How the claims are judged", pd.DataFrame(rows.values()))


def _judged(judge: Callable[[], Verdict]) -> Verdict:
    found = attempt("", judge)
    return unknown(found.reason) if isinstance(found, Missing) else found


def _comparison(cases: Sequence[ReportNetwork]) -> Iterator[Claim]:
    """Yield the claim that ResNet-50 is sparser than VGG-16, for networks with these forms."""
    vgg, resnet = ([case for case in cases if form(case)] for form in (_is_vgg_16, _is_resnet_50))
    test, pairs = sparser_than, [(one, other) for one in resnet for other in vgg]
    for one, other in pairs:
        verdict = _judged(partial(test.judge, one, other))
        yield Claim(test.claim, test.where, f"{one.name}, {other.name}", test.measure, test.rule, verdict)
    if not pairs:
        reason = "it needs a network with the form of ResNet-50 and one with that of VGG-16"
        yield Claim(test.claim, test.where, "", test.measure, test.rule, unknown(reason))


def _is_vgg_16(case: ReportNetwork) -> bool:
    return bool(case.own_units)


def _is_resnet_50(case: ReportNetwork) -> bool:
    aliases = {alias for layer in case.layers for alias in layer.aliases}
    return "conv5_block3_out" in aliases and len(case.layers.activations) == 49


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"
