"""Segmentation masks of a tiny COCO folder, checked pixel by pixel."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unitscope.errors import ImageError
from unitscope.images import decode, open_images, reopen_images
from unitscope.images.coco_masks import category_masks

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "coco-sample"
SQUARE = [2, 1, 5, 1, 5, 3, 2, 3]


def annotation(image, category, shape):
    return {"image_id": image, "category_id": category, "segmentation": shape, "iscrowd": int(isinstance(shape, dict))}


def coco(root: Path, annotations, *, names=("a.png", "b.png"), sizes=((8, 6), (8, 6))):
    """Two pictures of 8×6, split 'val'; categories cat 1, dog 2."""
    (root / "val").mkdir(parents=True)
    (root / "annotations").mkdir()
    for name, size in zip(names, sizes, strict=True):
        Image.new("RGB", size).save(root / "val" / name)
    listed = [
        {"id": n, "file_name": name, "width": size[0], "height": size[1]}
        for n, (name, size) in enumerate(zip(names, sizes, strict=True))
    ]
    content = {
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "wild dog"}],
    }
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return open_images(root)


def inside(rows, columns, shape=(6, 8)):
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 255
    return mask


EDGE = 24  # of 255: a polygon is drawn a sixteenth of a pixel too large at most


def test_a_polygon_covers_its_inside(tmp_path):
    masks = category_masks(coco(tmp_path, [annotation(0, 1, [SQUARE])]), "cat")
    assert masks.ids == ("val/a.png",)
    wanted = inside(slice(1, 3), slice(2, 5)).astype(int)
    np.testing.assert_allclose(masks.mask("val/a.png"), wanted, atol=EDGE)


def test_all_objects_and_polygons_of_a_category_are_one_mask(tmp_path):
    second = [0, 5, 1, 5, 1, 4, 0, 4]  # one pixel
    things = [annotation(0, 1, [SQUARE, second]), annotation(0, 1, [[6, 0, 8, 0, 8, 1]]), annotation(0, 2, [[0] * 6])]
    mask = category_masks(coco(tmp_path, things), "cat").mask("val/a.png")
    wanted = (inside(slice(1, 3), slice(2, 5)) | inside(4, 0)).astype(int)
    wanted[0, 6:8] = 64, 191  # a triangle below the diagonal of two pixels
    np.testing.assert_allclose(mask, wanted, atol=EDGE)


def test_run_lengths_are_column_major_and_start_with_background(tmp_path):
    runs = {"size": [6, 8], "counts": [6 + 2, 3, 48 - 11]}
    mask = category_masks(coco(tmp_path, [annotation(1, 2, runs)]), "wild dog").mask("val/b.png")
    np.testing.assert_array_equal(mask, inside(slice(2, 5), 1))


def test_points_and_lines_beside_a_polygon_cover_nothing(tmp_path):
    masks = category_masks(coco(tmp_path, [annotation(0, 1, [SQUARE, [1, 1, 4, 4], []])]), "cat")
    wanted = inside(slice(1, 3), slice(2, 5)).astype(int)
    np.testing.assert_allclose(masks.mask("val/a.png"), wanted, atol=EDGE)


@pytest.mark.parametrize("shape", [[[]], [[1, 1, 4, 4]], [[[1, 1], [4, 4]]]])
def test_a_degenerate_polygon_covers_nothing(tmp_path, shape):
    assert not category_masks(coco(tmp_path, [annotation(0, 1, shape)]), "cat").mask("val/a.png").any()


@pytest.mark.parametrize("shape", ["abc", [["abc"]], 7])
def test_an_outline_that_is_no_list_of_numbers_is_reported(tmp_path, shape):
    masks = category_masks(coco(tmp_path, [annotation(0, 1, shape)]), "cat")
    with pytest.raises(ImageError, match=r"outline of a 'cat' in 'val/a\.png' can't be read"):
        masks.mask("val/a.png")


POINTS = [[2, 1], [5, 1], [5, 3], [2, 3]]


@pytest.mark.parametrize("shape", [POINTS, [POINTS], SQUARE], ids=["points", "nested points", "one polygon"])
def test_a_polygon_may_be_nested_in_other_ways(tmp_path, shape):
    masks = category_masks(coco(tmp_path, [annotation(0, 1, shape)]), "cat")
    wanted = inside(slice(1, 3), slice(2, 5)).astype(int)
    np.testing.assert_allclose(masks.mask("val/a.png"), wanted, atol=EDGE)


def test_a_mask_is_rotated_by_exif_like_its_picture(tmp_path):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE])])
    stored = np.zeros((6, 8, 3), np.uint8)
    stored[1:3, 2:5] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(images.path(0), exif=exif)
    masks = category_masks(images, "cat")
    upright = masks.upright_mask("val/a.png")
    assert upright.shape == (8, 6)
    np.testing.assert_allclose(upright, np.asarray(decode(images.path(0)))[..., 0].astype(int), atol=EDGE)


def test_a_split_beside_its_annotations_is_read_too(tmp_path):
    coco(tmp_path, [annotation(1, 1, [SQUARE])])
    assert category_masks(open_images(tmp_path / "val"), "CAT").ids == ("b.png",)


def test_annotations_among_the_images_have_masks_also_for_some_of_the_images(tmp_path):
    coco(tmp_path, [annotation(0, 1, [SQUARE])])
    (tmp_path / "annotations" / "instances_val.json").rename(tmp_path / "val" / "_annotations.coco.json")
    images = open_images(tmp_path)
    assert images.ids == ("val/a.png", "val/b.png")
    assert category_masks(images.limit(1), "cat").mask("val/a.png").any()


def test_images_excluded_by_limit_have_no_mask(tmp_path):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE]), annotation(1, 1, [SQUARE])])
    assert category_masks(images.limit(1), "cat").ids == ("val/a.png",)


def test_an_unknown_category_is_refused_with_the_nearest(tmp_path):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE])])
    with pytest.raises(ImageError, match="no category 'wild dgo'; closest: 'wild dog'"):
        category_masks(images, "wild dgo")
    with pytest.raises(ImageError, match="no category 'xylophone'; known: cat, wild dog"):
        category_masks(images, "xylophone")


def test_other_layouts_have_no_segmentations(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="have no segmentations of 'cat'"):
        category_masks(open_images(tmp_path), "cat")


def test_invalid_annotations_are_refused(tmp_path):
    images = rewritten(coco(tmp_path, [annotation(0, 1, [SQUARE])]), lambda record: {"id": [record["id"]]})
    with pytest.raises(ImageError, match="is not in COCO's format: "):
        category_masks(images, "cat")


@pytest.mark.parametrize("shape", [{"size": [6, 8], "counts": [3, 4]}, {"size": [6, 8], "counts": "Q05o"}, [["a"] * 6]])
def test_an_invalid_segmentation_is_reported(tmp_path, shape):
    masks = category_masks(coco(tmp_path, [annotation(0, 1, shape)]), "cat")
    with pytest.raises(ImageError, match=r"outline of a 'cat' in 'val/a\.png' can't be read"):
        masks.mask("val/a.png")


@pytest.mark.skipif(not SHARED.exists(), reason="../shared, with real images, is not here")
def test_real_masks_have_about_the_area_in_the_annotations():
    masks = category_masks(open_images(SHARED), "giraffe")
    content = json.loads((SHARED / "annotations" / "instances_train2017.json").read_text())
    (number,) = (category["id"] for category in content["categories"] if category["name"] == "giraffe")
    names = {f"train2017/{image['file_name']}": image for image in content["images"]}
    assert len(masks.ids) >= 3
    for image in masks.ids:
        output = names[image]
        areas = [
            annotation["area"]
            for annotation in content["annotations"]
            if annotation["image_id"] == output["id"] and annotation["category_id"] == number
        ]
        mask = masks.upright_mask(image)
        assert mask.shape == (output["height"], output["width"])
        assert 0.6 * sum(areas) < (mask > 0).sum() < 1.25 * sum(areas)


def packed(runs):
    """COCO's compressed run lengths, from their definition."""
    text = ""
    for number, run in enumerate(runs):
        value, more = (run - runs[number - 2] if number > 2 else run), True
        while more:
            bits, value = value & 31, value >> 5
            more = not ((value == 0 and not bits & 16) or (value == -1 and bits & 16))
            text += chr((bits | (32 if more else 0)) + 48)
    return text


@pytest.mark.parametrize("seed", range(5))
def test_compressed_run_lengths_equal_plain_ones(tmp_path, seed):
    dice = np.random.default_rng(seed)
    cuts = np.sort(dice.choice(np.arange(1, 600 * 80), 2 * seed + 7, replace=False))
    runs = np.diff([0, *cuts, 600 * 80]).tolist()
    sizes = ((80, 600), (80, 600))
    shapes = [annotation(n, 1, {"size": [600, 80], "counts": counts}) for n, counts in enumerate((runs, packed(runs)))]
    masks = category_masks(coco(tmp_path, shapes, sizes=sizes), "cat")
    np.testing.assert_array_equal(masks.mask("val/a.png"), masks.mask("val/b.png"))
    assert masks.mask("val/a.png").any()


def rewritten(images, change):
    """The images, after a change of each image's record in their annotations."""
    path = Path(images.root, "annotations", "instances_val.json")
    content = json.loads(path.read_text("utf-8"))
    content["images"] = [record | change(record) for record in content["images"]]
    path.write_text(json.dumps(content), "utf-8")
    return images


def test_widths_and_heights_may_be_floats_that_are_whole(tmp_path):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE])])
    right = category_masks(images, "cat").mask("val/a.png")
    rewritten(images, lambda record: {"width": 8.0, "height": 6.0})
    np.testing.assert_array_equal(category_masks(images, "cat").mask("val/a.png"), right)
    for wrong in (8.5, "wide", 0, 10**400, 10**9, None):
        rewritten(images, lambda record, wrong=wrong: {"width": wrong})
        with pytest.raises(ImageError, match=r"is not in COCO's format: "):
            category_masks(images, "cat")


@pytest.mark.parametrize("missing", [{}, {"segmentation": []}])
def test_objects_with_a_box_only_are_refused(tmp_path, missing):
    box = {"image_id": 0, "category_id": 1, "bbox": [2, 1, 3, 2], **missing}
    images = coco(tmp_path, [box, annotation(0, 1, [SQUARE]), {**box, "category_id": 2}])
    with pytest.raises(ImageError, match="objects of 'cat' with a box only; masks need outlines"):
        category_masks(images, "cat")


@pytest.mark.parametrize("missing", [{}, {"segmentation": []}])
def test_an_image_with_a_box_only_is_left_out_where_others_have_outlines(tmp_path, missing):
    box = {"image_id": 0, "category_id": 1, "bbox": [2, 1, 3, 2], **missing}
    images = coco(tmp_path, [box, annotation(0, 1, [SQUARE]), annotation(1, 1, [SQUARE])])
    masks = category_masks(images, "cat")
    assert masks.ids == ("val/b.png",)
    assert masks.boxed == {"val/a.png"}


def test_outlines_drawn_on_the_upright_picture_are_not_rotated(tmp_path):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE])])
    upright = np.zeros((6, 8, 3), np.uint8)
    upright[1:3, 2:5] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90).save(images.path(0), exif=exif)
    assert decode(images.path(0)).size == (8, 6)
    mask = category_masks(images, "cat").upright_mask("val/a.png")
    np.testing.assert_allclose(mask, np.asarray(decode(images.path(0)))[..., 0].astype(int), atol=EDGE)


@pytest.mark.parametrize("prefix", ["val/", "./x/val/", "C:\\data\\val\\", "/home/set/val/"])
def test_masks_are_found_by_the_end_of_a_file_name(tmp_path, prefix):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE])])
    rewritten(images, lambda record: {"file_name": prefix + record["file_name"]})
    assert category_masks(open_images(tmp_path), "cat").ids == ("val/a.png",)


def contained(images):
    """The same images, as an atlas that may be somebody else's names them."""
    return reopen_images(images.root, layout=images.layout, ids=images.ids, contained=True)


def test_annotations_in_the_folder_that_an_atlas_names_are_read(tmp_path):
    masks = category_masks(contained(coco(tmp_path, [annotation(0, 1, [SQUARE])])), "cat")
    assert masks.upright_mask("val/a.png").shape == (6, 8)


def test_annotations_beside_the_folder_that_only_an_atlas_names_are_not_read(tmp_path):
    coco(tmp_path, [annotation(0, 1, [SQUARE])])
    split = open_images(tmp_path / "val")
    with pytest.raises(ImageError, match=r"label file .* is outside the folder .* give --image-root"):
        category_masks(contained(split), "cat")


@pytest.mark.parametrize("moved", ["annotations", "annotations/instances_val.json"])
def test_annotations_behind_a_link_out_of_the_folder_that_only_an_atlas_names_are_not_read(tmp_path, moved):
    images = coco(tmp_path / "coco", [annotation(0, 1, [SQUARE])])
    (tmp_path / "coco" / moved).rename(tmp_path / "elsewhere")
    (tmp_path / "coco" / moved).symlink_to(tmp_path / "elsewhere")
    assert category_masks(images, "cat").ids == ("val/a.png",)
    with pytest.raises(ImageError, match=r"label file .* is outside the folder .* give --image-root"):
        category_masks(contained(images), "cat")


def test_the_orientation_of_an_image_behind_a_link_out_of_the_folder_is_not_read(tmp_path):
    images = coco(tmp_path / "coco", [annotation(0, 1, [SQUARE])])
    images.path(0).rename(tmp_path / "elsewhere.png")
    images.path(0).symlink_to(tmp_path / "elsewhere.png")
    assert category_masks(images, "cat").upright_mask("val/a.png").shape == (6, 8)
    with pytest.raises(ImageError, match=r"'val/a.png' is a link out of the folder"):
        category_masks(contained(images), "cat").upright_mask("val/a.png")


def changed(images, change):
    """The images, after a change of the whole content of their annotations."""
    path = Path(images.root, "annotations", "instances_val.json")
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    return open_images(images.root)


def as_text(content):
    for record in content["images"]:
        record["id"] = f"{record['id']:012d}"
    for record in content["annotations"]:
        record["image_id"] = str(record["image_id"])
        record["category_id"] = float(record["category_id"])
    content["categories"][0]["id"] = "1"


def only_what_is_needed(content):
    content["licenses"] = [{"id": 1, "name": "CC"}]
    content["annotations"] = [
        {key: record[key] for key in ("image_id", "category_id", "segmentation")} | {"bbox": ["2", "1", "3", "2"]}
        for record in content["annotations"]
    ]
    content["images"][1] = {"id": 1, "file_name": "b.png", "license": 1}  # no sizes, and no cat


def listed_twice(content):
    content["images"].append({**content["images"][0], "id": 7})
    content["images"].append(content["images"][1])
    content["annotations"].append({"image_id": 7, "category_id": 2, "segmentation": [SQUARE]})
    content["annotations"].append({"image_id": 99, "category_id": 1, "segmentation": [SQUARE]})  # of no image


def flat_polygon(content):
    content["annotations"][0]["segmentation"] = SQUARE


@pytest.mark.parametrize("change", [as_text, only_what_is_needed, listed_twice, flat_polygon])
def test_annotations_may_be_written_in_other_ways(tmp_path, change):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE])])
    right = category_masks(images, "cat").mask("val/a.png")
    images = changed(images, change)
    labels = dict(zip(images.ids, images.labels, strict=True))
    assert labels == {"val/a.png": ("cat", "wild dog") if change is listed_twice else ("cat",), "val/b.png": ()}
    masks = category_masks(images, "cat")
    assert masks.ids == ("val/a.png",)
    np.testing.assert_array_equal(masks.mask("val/a.png"), right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"].append({"id": 0, "file_name": "c"}), r"two records have the id 0, 'a.png' and 'c'"),
        (lambda c: c["categories"].append({"id": "1", "name": "cow"}), r"two records have the id 1, 'cat' and 'cow'"),
        (lambda c: c["annotations"][0].update(category_id=9), r"has the category 9, which 'categories' does not have"),
        (lambda c: c["annotations"][0].update(image_id=None), r"'None' is not an id"),
        (lambda c: c["images"][0].pop("id"), r"it has no 'id'"),
        (lambda c: c["categories"][0].pop("name"), r"it has no 'name'"),
        (lambda c: c.update(images=["a.png"]), r"is not in COCO's format"),
        (lambda c: c.update(annotations=None), r"is not in COCO's format"),
    ],
)  # fmt: skip
def test_annotations_that_contradict_themselves_are_refused(tmp_path, change, message):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE])])
    with pytest.raises(ImageError, match=message):
        changed(images, change)


def test_masks_need_the_size_of_an_image(tmp_path):
    images = changed(coco(tmp_path, [annotation(0, 1, [SQUARE])]), lambda content: content["images"][0].pop("width"))
    with pytest.raises(ImageError, match=r"image 'a.png' has no 'height' or 'width', which masks need"):
        category_masks(images, "cat")
    images = changed(images, lambda content: content["images"][0].update(width=60_000, height=60_000))
    with pytest.raises(ImageError, match=r"image 'a.png' has 60000 × 60000 pixels, over the limit"):
        category_masks(images, "cat")


@pytest.mark.parametrize(
    "shape",
    [[[float("nan")] * 6], [[1, 2, 3, float("inf"), 5, 6]], {"size": [6, 8], "counts": [50, -2]}, {"counts": []}],
)
def test_an_outline_of_impossible_numbers_is_refused(tmp_path, shape):
    masks = category_masks(coco(tmp_path, [annotation(0, 1, shape)]), "cat")
    with pytest.raises(ImageError, match=r"outline of a 'cat' in 'val/a\.png' can't be read"):
        masks.mask("val/a.png")


def test_annotations_of_another_shape_than_the_image_are_refused(tmp_path):
    images = coco(tmp_path, [annotation(0, 1, [SQUARE]), annotation(1, 1, [SQUARE])])
    Image.new("RGB", (80, 60)).save(images.path(0))  # enlarged since
    Image.new("RGB", (6, 8)).save(images.path(1))
    masks = category_masks(images, "cat")
    assert masks.upright_mask("val/a.png").shape == (6, 8)
    with pytest.raises(ImageError, match=r"b.png' has 6 × 8 pixels, but its annotations say 8 × 6"):
        masks.upright_mask("val/b.png")
