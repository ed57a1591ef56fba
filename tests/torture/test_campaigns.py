"""The campaigns of ``make torture`` run, with few trials; the server's takes longer than a test may."""

import pytest

from tests.torture import atlases, images, scans


@pytest.mark.parametrize(("campaign", "scale"), [(images, 0.01), (atlases, 0.002), (scans, 0.01)])
def test_a_campaign_finds_nothing_wrong(campaign, scale, tmp_path):
    outcomes = list(campaign.campaign(tmp_path, scale))
    assert all(outcome.trials for outcome in outcomes)
    assert not [failure for outcome in outcomes for failure in outcome.failures]
