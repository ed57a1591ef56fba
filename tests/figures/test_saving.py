import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from unitscope.errors import UnitscopeError
from unitscope.figures import exemplars, layer_summary, save, structure, theme

from .conftest import exemplar, pixels, sheet_of, view
from .test_layers import table

FIGURES = {
    "structure": lambda: structure(view([(14, 14), (7, 7)], top=3, enlarged=1)),
    "exemplars": lambda: exemplars(sheet_of(exemplar(1), exemplar(2))),
    "layer_summary": lambda: layer_summary(table(5)),
}
STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("suffix", STARTS)
@pytest.mark.parametrize("name", FIGURES)
def test_the_same_figure_gives_the_same_bytes_whatever_the_callers_settings(name, suffix, tmp_path):
    figure = FIGURES[name]()
    first = save(figure, tmp_path / "new" / "folder" / f"a{suffix}").read_bytes()
    assert first.startswith(STARTS[suffix])
    assert save(figure, tmp_path / f"b{suffix}").read_bytes() == first
    with mpl.rc_context({"font.size": 30, "savefig.bbox": "tight", "axes.grid": False, "font.family": "serif"}):
        assert save(FIGURES[name](), tmp_path / f"c{suffix}").read_bytes() == first
    assert b"<dc:date>" not in first
    assert not re.search(rb"/(CreationDate|ModDate)", first)


def test_a_png_has_the_pixel_size_of_the_sheet(tmp_path):
    from PIL import Image

    for top in (1, 2, 5):
        figure = structure(view([(13, 13)], top=top))
        with Image.open(save(figure, tmp_path / "a.png")) as written:
            assert written.size == tuple(2 * round(side * theme.DPI) for side in figure.get_size_inches())
            assert written.info["dpi"] == pytest.approx((400, 400), abs=0.1)


@pytest.mark.parametrize(
    ("width", "pixels"), [("85mm", 2 * 669), ("170mm", 2 * 1339), ("3.5in", 1400), ("single", 2 * 669)]
)
def test_a_figure_is_as_wide_as_asked(width, pixels, tmp_path):
    from PIL import Image

    with Image.open(save(layer_summary(table(5), width=width), tmp_path / "a.png")) as written:
        assert written.width == pixels


@pytest.mark.parametrize("width", ["85", "wide", "-85mm", "85 px", "", "nanmm"])
def test_a_width_without_a_unit_is_refused_with_examples(width):
    with pytest.raises(UnitscopeError, match=rf"'{width}' is not a width; write 85mm, 8.5cm, 3.35in, single"):
        layer_summary(table(5), width=width)


@pytest.mark.parametrize("width", ["59mm", "1mm", "24in"])
def test_a_width_that_no_page_has_is_refused(width):
    with pytest.raises(UnitscopeError, match="give a width from 60mm to 600mm"):
        layer_summary(table(5), width=width)


def test_svg_has_text_that_can_be_selected_in_fonts_with_fallbacks(tmp_path):
    written = save(FIGURES["layer_summary"](), tmp_path / "a.svg").read_text()
    assert ">Units by layer</text>" in written
    assert "font-family: 'DejaVu Sans'" in written
    assert "'Verdana', sans-serif" in written


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_smaller_than_six_points(name):
    assert min(text.get_fontsize() for text in FIGURES[name]().findobj(Text) if text.get_text()) >= 6


def test_vector_files_keep_each_tile_as_a_separate_image(tmp_path):
    written = save(FIGURES["structure"](), tmp_path / "a.svg").read_text()
    assert written.count("<image ") == 2 * 3 + 1 + 1


@pytest.mark.parametrize("name", ["figure.jpg", "figure", ".png"])
def test_an_unknown_suffix_is_refused_with_the_three_supported(name, tmp_path):
    with pytest.raises(UnitscopeError, match=rf"'{re.escape(name)}'; end the name in \.png, \.svg or \.pdf"):
        save(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_path_is_a_unitscope_error_and_leaves_no_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnitscopeError, match="can't write the figure"):
        save(Figure(), tmp_path / "file" / "a.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UnitscopeError, match="can't write the figure"):
        save(Figure(), tmp_path / "taken.png")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "taken.png"]


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = save(FIGURES["exemplars"](), tmp_path / "a.png")
    before = path.read_bytes()

    def broken(self, target, **_):
        target.write_bytes(b"half a fi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", broken)
    with pytest.raises(UnitscopeError, match=r"the disk is full, and .* are free"):
        save(Figure(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_does_not_change_the_callers_settings(name, tmp_path):
    with mpl.rc_context({"font.size": 17, "image.cmap": "gray"}):
        before = dict(mpl.rcParams)
        save(FIGURES[name](), tmp_path / "a.png")
        assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_keeps_its_style_under_other_rcparams(name):
    expected = pixels(FIGURES[name]())
    with mpl.rc_context({"font.size": 30, "font.family": "serif", "xtick.labelsize": 20, "ytick.major.pad": 30}):
        np.testing.assert_array_equal(pixels(FIGURES[name]()), expected)


def test_figures_need_neither_torch_nor_pyplot():
    code = "import sys, unitscope.figures; assert not {'torch', 'torchvision', 'matplotlib.pyplot'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0
