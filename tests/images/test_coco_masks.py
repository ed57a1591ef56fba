"""Segmentation masks of a tiny COCO folder, checked pixel by pixel."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unitscope.errors import ImageError
from unitscope.images import decode, open_images
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


def test_a_degenerate_polygon_covers_nothing(tmp_path):
    mask = category_masks(coco(tmp_path, [annotation(0, 1, [[1, 1, 4, 4]])]), "cat").mask("val/a.png")
    assert not mask.any()


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
    images = coco(tmp_path, [{"image_id": 0, "category_id": 1}])
    with pytest.raises(ImageError, match="is not in COCO's format: it has no 'segmentation'"):
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
