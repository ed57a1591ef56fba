"""Parts of error messages: the nearest names, errors of other libraries, seeds."""

import difflib
import random

import pytest

from unitscope.errors import UnitscopeError, check_seeds, closest, closest_file, first_line

IDS = [f"{animal}/{number:04d}.jpg" for animal in ("cat", "dog", "hen") for number in range(1000)]


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("hem/0002.jpg", "closest: 'hen/0002.jpg'"),
        ("hen/0002.png", "closest: 'hen/0002.jpg'"),
        ("Hen/2.jpg", "closest: 'hen/0002.jpg'"),
        ("/data/animals/hen/0002.jpg", "closest: 'hen/0002.jpg'"),
        ("0002.jpg", "closest: 'cat/0002.jpg', 'dog/0002.jpg', 'hen/0002.jpg'"),
        ("hen/1000.jpg", ""),
        ("missing.jpg", ""),
        ("", ""),
    ],
)
def test_closest_file_compares_names_and_requires_equal_numbers(name, output):
    assert closest_file(name, IDS) == output


def test_closest_file_finds_typos_in_names_without_numbers():
    assert closest_file("zoo/fluffly cat.jpeg", ["zoo/fluffy cat.jpg", "zoo/quiet dog.jpg"]) == (
        "closest: 'zoo/fluffy cat.jpg'"
    )
    assert closest_file("v1.5/net.pth", ["v1.5/nets.pth"]) == "closest: 'v1.5/nets.pth'"


@pytest.mark.parametrize("name", ["n01440764/ILSVRC2012_vla_00000293.JPEG", "n01440764/image.JPEG", "missing.jpg"])
def test_closest_file_compares_few_of_many_ids_in_detail(name, monkeypatch):
    draw, compared, compare = random.Random(0), [], difflib.get_close_matches
    ids = [f"n{draw.randrange(10**8):08d}/ILSVRC2012_val_{number:08d}.JPEG" for number in range(50_000)]
    monkeypatch.setattr(difflib, "get_close_matches", lambda *one, **how: compared.append(one) or compare(*one, **how))
    closest_file(name, ids)
    assert [len(candidates) < 10 for _, candidates in compared] == [True]


def test_closest_lists_the_nearest_words():
    assert closest("layer4.2.conv9", ["layer4.2.conv3", "layer4.2.conv3", "fc"]) == "closest: 'layer4.2.conv3'"
    assert closest("nothing", ["china", "chelsea", "coffee"]) == ""


@pytest.mark.parametrize(
    ("problem", "output"),
    [
        (ValueError("no such op\nand a long trace"), "ValueError: no such op"),
        (KeyError(), "KeyError"),
        (RuntimeError("\n  \n"), "RuntimeError"),
        (RuntimeError("x" * 999), "RuntimeError: " + "x" * 186),
    ],
)
def test_errors_of_other_libraries_are_shown_as_type_and_first_line(problem, output):
    assert first_line(problem) == output


def test_seeds_are_nonnegative_integers():
    check_seeds([0, 5])
    with pytest.raises(UnitscopeError, match="seeds must be 0 or greater, not -2"):
        check_seeds([3, -2])
    with pytest.raises(UnitscopeError, match="no seed was given; give one or more, for example 0"):
        check_seeds([])
