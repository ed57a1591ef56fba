"""Pages show the network's name, not the path of its file."""

import re
from dataclasses import replace

import pytest

from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.links import ServerLinks
from unitscope.web.page_renderer import PageRenderer
from unitscope.web.pages.home import home_page
from unitscope.web.pages.unit import unit_page


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("/home/ada/models/vgg16.toml", "vgg16"),
        ("/home/ada/models/net.py:build", "net.py:build"),
        ("torchvision:resnet50", "torchvision:resnet50"),
    ],
)
def test_title_and_header_have_the_name_of_the_network_without_its_folder(make_atlas, reference, name):
    given = make_atlas([[0.0, 1.0], [2.0, 3.0]])
    atlas = replace(given, manifest=replace(given.manifest, network={**given.manifest.network, "reference": reference}))
    cache = AtlasCache(atlas)
    renderer = PageRenderer(cache)
    first = renderer.html("home", home_page(cache), ServerLinks())
    unit = renderer.unit_html(unit_page(cache, atlas.find("relu"), 1), ServerLinks())
    assert re.findall("<title>(.*)</title>", first) == [f"Atlas · {name} · unitscope"]
    assert re.findall("<title>(.*)</title>", unit) == [f"relu:1 · {name} · unitscope"]
    assert re.findall("<h1>(.*)</h1>", first) == [name]
    for text in (first, unit):
        assert re.findall('class="network"[^>]*>(.*)</span>', text) == [name]
    assert ("/home/ada" in unit) is False
    facts = dict(home_page(cache).facts)
    assert facts.get("network", reference) == reference
    assert ("network" in facts) == (name != reference)
