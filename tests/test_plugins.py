import pytest

from unitscope import load
from unitscope.errors import ImageError, NetworkError, UnitscopeError
from unitscope.images import open_images
from unitscope.plugins import NETWORKS, SOURCES, file_in, find_plugins, plugin_for

BROKEN = "raise RuntimeError('no such library')"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package with entry points ``{group: {name: value}}`` and the code of one module."""
    monkeypatch.syspath_prepend(tmp_path)
    find_plugins.cache_clear()

    def write(package, entries, code=""):
        (tmp_path / f"{package}.py").write_text(code)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        groups = (
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in named.items()) for group, named in entries.items()
        )
        (info / "entry_points.txt").write_text("\n".join(groups))

    yield write
    find_plugins.cache_clear()


def test_built_in_plugins_are_registered_like_others():
    names = {plugin.name for plugin in find_plugins(NETWORKS)}
    assert names >= {"torchvision", "timm", "keras", "package", ".py", ".toml"}
    assert "folder" in {plugin.name for plugin in find_plugins(SOURCES)}
    assert all(plugin.packages == ("unitscope",) for plugin in find_plugins(NETWORKS) if plugin.ours)


@pytest.mark.parametrize(
    ("reference", "name", "file"),
    [
        ("torchvision:resnet50", "torchvision", ""),
        ("my/net.py:build", ".py", "my/net.py"),
        ("my/net.py", ".py", "my/net.py"),
        ("card.toml", ".toml", "card.toml"),
        ("resnet50", None, ""),
        ("torchvision", None, ""),
    ],
)
def test_a_reference_selects_the_origin_by_scheme_or_file_suffix(reference, name, file):
    plugin = plugin_for(reference)
    assert (plugin and plugin.name, file_in(reference)) == (name, file)


def test_a_broken_origin_is_reported_only_where_it_is_needed(install):
    install("zoo_package", {NETWORKS: {"zoo": "zoo_package:Zoo"}}, BROKEN)
    assert load("torchvision:squeezenet1_1", weights="none").reference == "torchvision:squeezenet1_1"
    message = r"plug-in 'zoo' of the package zoo_package can't be loaded \(RuntimeError: no such library\); update or"
    with pytest.raises(UnitscopeError, match=message):
        load("zoo:lion")
    with pytest.raises(NetworkError, match=f"no network 'lion'; .*{message}"):
        load("lion")


def test_a_broken_source_is_reported_only_if_no_other_source_opens_the_images(install, tmp_path):
    install("zoo_package", {SOURCES: {"zoo": "zoo_package:Zoo"}}, BROKEN)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    assert open_images(tmp_path / "images").ids == ("a.png",)
    message = (
        r"no installed image source opens the URL 'zoo://lions'; .* plug-in 'zoo' of the package zoo_package can't"
    )
    with pytest.raises(ImageError, match=message):
        open_images("zoo://lions")


def test_a_name_that_two_packages_register_is_an_error_that_names_both(install):
    for package in ("first_zoo", "second_zoo"):
        install(package, {NETWORKS: {"zoo": f"{package}:Zoo"}}, "class Zoo: pass")
    message = r"packages first_zoo and second_zoo both register a plug-in 'zoo' \(unitscope.networks\); uninstall one"
    with pytest.raises(UnitscopeError, match=message):
        load("zoo:lion")


def test_a_checkout_without_metadata_is_reported_as_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr("unitscope.plugins.entry_points", lambda group: [])
    find_plugins.cache_clear()
    try:
        for ask in (lambda: load("torchvision:resnet18"), lambda: open_images(tmp_path)):
            with pytest.raises(UnitscopeError, match="not installed properly: its metadata has no entry points"):
                ask()
    finally:
        find_plugins.cache_clear()


WRONG = """
from unitscope.images import ImageSource

class Networks:
    has_weights, weight_suffixes, form = False, (), "odd:NAME"
    def load(self, name, options): return object()
    def names(self): return ()

class Images(ImageSource):
    @classmethod
    def can_open(cls, address): return address.startswith("odd:")
    @classmethod
    def of(cls, address): return None
    def open(self, row): raise OSError
    def stamp(self, row): return 0, 0
"""


def test_a_plugin_must_return_the_right_type(install):
    install("oddities", {NETWORKS: {"odd": "oddities:Networks"}, SOURCES: {"odd": "oddities:Images"}}, WRONG)
    with pytest.raises(UnitscopeError, match=r"package oddities failed \(TypeError: load returned a object, not a Net"):
        load("odd:net")
    with pytest.raises(
        UnitscopeError, match=r"package oddities failed \(TypeError: of returned a NoneType, not an Imag"
    ):
        open_images("odd://1")
