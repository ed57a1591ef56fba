import json
import os
import socket
from pathlib import Path

import pytest

from unitscope.errors import ImageError
from unitscope.images import decode, decode_row, imagenet_wnids, open_images

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def shared(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"shared/data/{name} is not here")
    return SHARED / name


def labels_by_id(path: Path) -> dict[str, tuple[str, ...]]:
    images = open_images(path)
    return dict(zip(images.ids, images.labels, strict=True))


def test_a_plain_folder_lists_every_file_sorted_and_without_labels(tmp_path):
    images = open_images(make(tmp_path, "b.jpg", "a.png", "readme.txt"))
    assert images.layout == "folder"
    assert images.ids == ("a.png", "b.jpg", "readme.txt")
    assert images.labels == ((), (), ())
    assert images.path(1).read_bytes() == b"b.jpg"


def test_a_single_file_is_a_source_of_one_image(tmp_path):
    images = open_images(make(tmp_path, "a.png", "b.png") / "b.png")
    assert (images.ids, images.labels, len(images)) == (("b.png",), ((),), 1)
    assert images.path(0) == tmp_path / "b.png"


def test_hidden_files_and_folders_are_skipped(tmp_path):
    make(tmp_path, "a.png", ".b.png", ".git/c.png", "__MACOSX/._a.png", "sub/.DS_Store")
    assert open_images(tmp_path).ids == ("a.png",)


def test_unicode_names_and_spaces_are_kept(tmp_path):
    names = ("Übung/ä b.png", "日本/猫.jpg")
    images = open_images(make(tmp_path, *names))
    assert sorted(images.ids) == sorted(names)
    assert all(images.path(position).is_file() for position in range(len(images)))


def test_links_to_folders_are_followed_without_infinite_loops(tmp_path):
    make(tmp_path / "real", "a.png")
    make(tmp_path / "root", "b.png")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    assert open_images(tmp_path / "root").ids == ("b.png", "link/a.png")


def test_folders_are_labels_and_files_in_the_root_have_none(tmp_path):
    make(tmp_path, "cat/1.jpg", "dog/deep/2.jpg", "3.jpg")
    assert open_images(tmp_path).layout == "class folders"
    assert labels_by_id(tmp_path) == {"3.jpg": (), "cat/1.jpg": ("cat",), "dog/deep/2.jpg": ("dog",)}


def test_a_single_nested_folder_is_not_a_class(tmp_path):
    images = open_images(make(tmp_path, "photos/1.jpg", "photos/2.jpg"))
    assert (images.layout, images.label_names) == ("folder", ())


def test_a_wnid_anywhere_in_the_path_is_the_label(tmp_path):
    make(tmp_path, "train/n01440764/1.JPEG", "train/n01443537/x/2.JPEG")
    assert open_images(tmp_path).label_names == ("n01440764", "n01443537")


def test_a_single_wnid_folder_is_a_class(tmp_path):
    assert open_images(make(tmp_path, "n01440764/1.JPEG")).labels == (("n01440764",),)


VAL = ("ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG")


def with_csv(root: Path) -> None:
    (root / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\n"
        "ILSVRC2012_val_00000002,n01443537 1 2 3 4\n"
        "ILSVRC2012_val_00000001,n01440764 1 2 3 4\n"
    )


def with_xml(root: Path) -> None:
    folder = root / "Annotations" / "CLS-LOC" / "val"
    folder.mkdir(parents=True)
    for name, wnid in zip(VAL, imagenet_wnids(), strict=False):
        text = f"<annotation><object>\n<name>{wnid}</name></object></annotation>"
        (folder / Path(name).with_suffix(".xml")).write_text(text)


def with_devkit(root: Path) -> None:
    io = pytest.importorskip("scipy.io")
    np = pytest.importorskip("numpy")
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    synsets = np.array(
        [(1, "n01443537"), (2, "n99999999"), (3, "n01440764")], dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O")]
    ).reshape(-1, 1)
    io.savemat(data / "meta.mat", {"synsets": synsets})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("3\n1\n")


def with_caffe_numbers(root: Path) -> None:
    (root / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 0\nILSVRC2012_val_00000002.JPEG 1\n")


def with_caffe_wnids(root: Path) -> None:
    (root / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG n01440764\nILSVRC2012_val_00000002.JPEG n01443537\n")


@pytest.mark.parametrize("above", ["", "val", "Data/CLS-LOC/val", "a/b/c/d"])
@pytest.mark.parametrize("write", [with_csv, with_xml, with_devkit, with_caffe_numbers, with_caffe_wnids])
def test_imagenet_validation_labels_are_found_up_to_four_folders_above(tmp_path, write, above):
    root = make(tmp_path / above, *VAL)
    write(tmp_path)
    images = open_images(root)
    assert (images.layout, images.ids) == ("imagenet validation", VAL)
    assert images.labels == (("n01440764",), ("n01443537",))


def test_validation_images_in_a_subfolder_are_labelled_and_label_files_skipped(tmp_path):
    make(tmp_path, *(f"val/{name}" for name in VAL))
    with_csv(tmp_path)
    with_xml(tmp_path)
    assert labels_by_id(tmp_path) == {f"val/{VAL[0]}": ("n01440764",), f"val/{VAL[1]}": ("n01443537",)}


def test_validation_images_without_a_label_file_have_no_labels(tmp_path):
    assert open_images(make(tmp_path / "a/b/c/d/e", *VAL)).labels == ((), ())


def test_validation_images_sorted_into_wnid_folders_are_class_folders(tmp_path):
    images = open_images(make(tmp_path, f"n01440764/{VAL[0]}", f"n01443537/{VAL[1]}"))
    assert (images.layout, images.labels) == ("class folders", (("n01440764",), ("n01443537",)))


def test_a_class_number_beyond_999_is_an_error(tmp_path):
    make(tmp_path, *VAL)
    (tmp_path / "val.txt").write_text(f"{VAL[0]} 1000\n")
    with pytest.raises(ImageError, match="0 to 999"):
        open_images(tmp_path)


def test_a_broken_meta_mat_is_an_error(tmp_path):
    make(tmp_path, *VAL)
    with_devkit(tmp_path)
    (tmp_path / "ILSVRC2012_devkit_t12" / "data" / "meta.mat").write_bytes(b"no such thing" * 30)
    with pytest.raises(ImageError, match=r"meta\.mat"):
        open_images(tmp_path)


def with_coco(root: Path) -> Path:
    make(root, "train2017/1.jpg", "train2017/2.jpg", "train2017/stray.jpg", "test2017/9.jpg")
    categories = [{"id": 5, "name": "dog"}, {"id": 9, "name": "cat"}]
    pairs = [(1, 5), (1, 9), (1, 5), (3, 9)]
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3)],
        "categories": categories,
        "annotations": [{"image_id": image, "category_id": category} for image, category in pairs],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
    return root


def test_coco_labels_are_the_categories_in_an_image_and_only_files_on_disk_count(tmp_path):
    assert labels_by_id(with_coco(tmp_path)) == {
        "test2017/9.jpg": (),
        "train2017/1.jpg": ("cat", "dog"),
        "train2017/2.jpg": (),
        "train2017/stray.jpg": (),
    }
    assert open_images(tmp_path).layout == "coco"


def test_a_coco_split_folder_finds_the_annotations_next_to_it(tmp_path):
    with_coco(tmp_path)
    assert labels_by_id(tmp_path / "train2017") == {"1.jpg": ("cat", "dog"), "2.jpg": (), "stray.jpg": ()}


def with_names(root: Path, names: dict[int, str], *, split: str = "train2017") -> Path:
    """Rename the images in the annotations."""
    path = root / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text("utf-8"))
    content["images"] = [{"id": number, "file_name": name} for number, name in names.items()]
    path.unlink()
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize("prefix", ["train2017/", "data/train2017/", "C:\\data\\train2017\\", "/set/train2017/"])
def test_coco_file_names_are_matched_by_their_end(tmp_path, prefix):
    with_names(with_coco(tmp_path), {1: f"{prefix}1.jpg", 2: f"{prefix}2.jpg"})
    assert labels_by_id(tmp_path)["train2017/1.jpg"] == ("cat", "dog")
    assert labels_by_id(tmp_path)["train2017/stray.jpg"] == ()


def test_the_only_annotations_are_those_of_all_images(tmp_path):
    """CVAT writes instances_default.json and a folder images."""
    root = make(tmp_path / "set", "images/1.jpg", "images/2.jpg", "images/3.jpg")
    (with_coco(tmp_path / "other") / "annotations").rename(root / "annotations")
    with_names(root, {1: "1.jpg", 3: "3.jpg"}, split="default")
    found = labels_by_id(root)
    assert (found["images/1.jpg"], found["images/2.jpg"], found["images/3.jpg"]) == (("cat", "dog"), (), ("cat",))


def test_a_coco_file_name_that_could_mean_two_images_means_neither(tmp_path):
    with_coco(tmp_path)
    make(tmp_path, "train2017/a/7.jpg", "train2017/b/7.jpg", "train2017/c/8.jpg")
    with_names(tmp_path, {1: "7.jpg", 2: "x/c/8.jpg", 3: "d/8.jpg"})
    found = labels_by_id(tmp_path)
    assert found["train2017/a/7.jpg"] == found["train2017/b/7.jpg"] == found["train2017/c/8.jpg"] == ()


def test_annotations_that_name_none_of_the_images_are_an_error(tmp_path):
    with_names(with_coco(tmp_path), {1: "one.jpg"})
    with pytest.raises(ImageError, match=r"names none of these images, such as 'train2017/1.jpg', but .* 'one.jpg'"):
        open_images(tmp_path)


@pytest.mark.parametrize("name", ["annotations.json", "_annotations.coco.json"])
@pytest.mark.parametrize("folder", ["", "train/"])
def test_annotations_may_be_among_the_images(tmp_path, name, folder):
    make(tmp_path, f"{folder}1.jpg", f"{folder}2.jpg")
    content = {
        "images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
        "annotations": [{"image_id": 2, "category_id": 1}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / folder / name).write_text(json.dumps(content))
    assert labels_by_id(tmp_path) == {f"{folder}1.jpg": (), f"{folder}2.jpg": ("cat",)}


def test_annotations_of_another_format_are_no_labels(tmp_path):
    make(tmp_path, "1.jpg", "annotations.json")
    assert open_images(tmp_path).layout == "folder"


@pytest.mark.parametrize("text", ["{", "[]", '{"images": []}'])
def test_broken_annotations_are_an_error(tmp_path, text):
    with_coco(tmp_path)
    (tmp_path / "annotations" / "instances_train2017.json").write_text(text)
    with pytest.raises(ImageError, match=r"instances_train2017\.json"):
        open_images(tmp_path)


def test_the_500_class_sample_keeps_its_wnids():
    images = open_images(shared("imagenet-sample"))
    assert (images.layout, len(images), len(images.label_names)) == ("class folders", 500, 500)
    assert set(images.label_names) < set(imagenet_wnids())


def test_the_coco_sample_is_labelled_both_ways():
    whole, split = open_images(shared("coco-sample")), open_images(shared("coco-sample") / "train2017")
    assert (whole.layout, split.layout, len(whole), len(split)) == ("coco", "coco", 100, 100)
    assert whole.labels == split.labels
    assert "person" in whole.label_names


def test_the_cifar_sample_has_ten_classes_of_a_hundred():
    images = open_images(shared("cifar10-test"))
    assert (len(images), len(images.label_names)) == (1000, 10)


def test_a_limit_takes_evenly_spaced_images_of_every_class(tmp_path):
    images = open_images(make(tmp_path, *(f"{label}/{number}.jpg" for label in "abcde" for number in range(4))))
    few = images.limit(5)
    assert few.ids == ("a/0.jpg", "b/0.jpg", "c/0.jpg", "d/0.jpg", "e/0.jpg")
    assert few.labels == (("a",), ("b",), ("c",), ("d",), ("e",))
    assert images.limit(7).ids == tuple(images.ids[position * 20 // 7] for position in range(7))
    assert images.limit(20) == images.limit(99) == images


def test_a_limit_below_one_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="a limit of 0 leaves no images"):
        open_images(make(tmp_path, "a.png")).limit(0)


def test_the_fingerprint_changes_with_names_sizes_times_and_labels(tmp_path):
    import os
    from dataclasses import replace

    images = open_images(make(tmp_path, "a/1.jpg", "b/2.jpg"))
    seen = {images.fingerprint(), replace(images, labels=((), ())).fingerprint(), images.limit(1).fingerprint()}
    os.utime(images.path(0), ns=(0, 1))
    seen.add(images.fingerprint())
    images.path(0).write_bytes(b"longer than before")
    os.utime(images.path(0), ns=(0, 1))
    seen.add(images.fingerprint())
    assert len(seen) == 5
    assert images.fingerprint() == open_images(tmp_path).fingerprint()


def test_total_bytes_is_the_size_of_all_files(tmp_path):
    assert open_images(make(tmp_path, "1.jpg", "22.jpg")).total_bytes() == len("1.jpg") + len("22.jpg")


def test_a_missing_folder_suggests_the_nearest(tmp_path):
    make(tmp_path, "val2017/1.jpg")
    with pytest.raises(ImageError, match="closest: 'val2017'"):
        open_images(tmp_path / "val2071")


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="has no images"):
        open_images(tmp_path)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("train/cat/0.png", "train/dog/0.png", "val/cat/0.png"), ("cat", "dog")),
        (("train/cat/0.png", "train/dog/0.png"), ("cat", "dog")),
        (("Train/n02085620-Chihuahua/0.png", "test/0.png"), ("n02085620",)),
        (("train/0.png", "val/0.png"), ()),
        (("train/0.png", "bus/0.png"), ("bus", "train")),
        (("n02085620-Chihuahua/0.png", "n02099601_golden retriever/1.png"), ("n02085620", "n02099601")),
        (("n020856201/0.png",), ()),
    ],
)
def test_labels_are_the_folders_that_name_classes(tmp_path, names, labels):
    make(tmp_path, *names)
    assert open_images(tmp_path).label_names == labels


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("training_set/cat/1.png training_set/dog/1.png test_set/cat/2.png", "cat dog cat"),
        ("Train-Images/a/1.png Test-Images/b/1.png", "a b"),
        ("train/a/1.png train/b/1.png dev/a/1.png", "a b a"),
        ("train2017/a/1.png val2017/b/1.png", "a b"),
        ("train/a/1.png val/b/1.png unlabeled/1.png", "a b -"),
        ("train/a/1.png val/b/1.png extra/c/1.png", "a b -"),
        ("data/train/a/1.png data/val/b/1.png", "a b"),
        ("x/y/cat/1.png x/y/dog/1.png readme.txt", "cat dog -"),
        ("seg_train/seg_train/a/1.png seg_test/seg_test/b/1.png", "a b"),
        ("test/1.png train/1.png bus/1.png", "test train bus"),
        ("freight_train/1.png passenger_train/1.png", "freight_train passenger_train"),
    ],
)
def test_classes_are_below_splits_of_any_spelling_and_below_folders_that_are_alone(tmp_path, names, labels):
    found = labels_by_id(make(tmp_path, *names.split()))
    assert found == {n: () if c == "-" else (c,) for n, c in zip(names.split(), labels.split(), strict=True)}


def test_an_empty_class_folder_counts_as_a_class_folder(tmp_path):
    make(tmp_path, "cat/0.png")
    assert open_images(tmp_path).layout == "folder"
    (tmp_path / "dog").mkdir()
    found = open_images(tmp_path)
    assert (found.layout, found.label_names) == ("class folders", ("cat",))


def test_atlases_and_their_parts_are_not_images(tmp_path):
    make(tmp_path, "0.png", "my.atlas/manifest.json", "my.atlas/arrays.zarr/zarr.json", "my.atlas/units.parquet")
    make(tmp_path, "your.atlas.parts/plan.json", "your.atlas.parts/lock", "your.atlas.parts/part-000000.npz")
    make(tmp_path, "manifest.json/1.png", "spare.parts/2.png")
    assert open_images(tmp_path).ids == ("0.png", "manifest.json/1.png", "spare.parts/2.png")


def test_names_that_are_not_unicode_are_skipped_and_listed(tmp_path):
    make(tmp_path, "0.png", "1.png")
    (tmp_path / os.fsdecode(b"bad\xff.png")).touch()
    found = open_images(tmp_path)
    assert found.ids == ("0.png", "1.png")
    assert found.skipped == (r"'bad\udcff.png' is not valid Unicode; rename it",)


def test_links_to_nothing_are_skipped_and_listed(tmp_path):
    make(tmp_path, "0.png")
    (tmp_path / "1.png").symlink_to(tmp_path / "unmounted" / "1.png")
    (tmp_path / "2.png").symlink_to("2.png")
    found = open_images(tmp_path)
    assert found.ids == ("0.png",)
    assert sorted(found.skipped) == [
        f"'{tmp_path}/1.png' is a link to '{tmp_path}/unmounted/1.png', where no file is",
        f"'{tmp_path}/2.png' is a link to '2.png', where no file is",
    ]
    (tmp_path / "0.png").unlink()
    with pytest.raises(ImageError, match=r"has no images \('.*' is a link to '.*', where no file is\); give a folder"):
        open_images(tmp_path)


def test_pipes_and_sockets_are_not_listed_and_do_not_block(tmp_path):
    make(tmp_path, "0.png")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
        assert open_images(tmp_path).ids == ("0.png",)
        for name in ("pipe", "s"):
            with pytest.raises(ImageError, match=r"is a (pipe|socket), not an image file; save the image in a file"):
                decode(tmp_path / f"{name}.png")
            with pytest.raises(ImageError, match=r"is a (pipe|socket), not an image file"):
                decode_row(open_images(tmp_path / f"{name}.png"), 0)


def test_a_folder_that_can_not_be_read_is_skipped_and_listed(tmp_path, monkeypatch):
    """As root may read everything, the system's answer is given here."""
    make(tmp_path, "0.png", "lost+found/1.png")
    scandir = os.scandir

    def refusing(folder):
        if str(folder).endswith("lost+found"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found = open_images(tmp_path)
    assert found.ids == ("0.png",)
    assert found.skipped == (f"folder '{tmp_path}/lost+found' can't be read: Permission denied",)


@pytest.mark.parametrize(
    ("names", "kept", "labels"),
    [
        ("a.jpg a_mask.png b.png b_mask_1.png", "a.jpg b.png", ""),
        ("cat/1.png cat/1_segmentation.png dog/1.png dog/1-gt.tif", "cat/1.png dog/1.png", "cat dog"),
        ("images/a.jpg images/b.jpg masks/a.png masks/b.png", "images/a.jpg images/b.jpg", ""),
        ("Images/cat/a.jpg Images/dog/a.jpg Masks/cat/a.png", "Images/cat/a.jpg Images/dog/a.jpg", "cat dog"),
        ("train/images/a.jpg train/masks/a.png val/images/b.jpg", "train/images/a.jpg val/images/b.jpg", ""),
        ("n1/images/n1.png n1/masks/0f.png n2/images/n2.png", "n1/images/n1.png n2/images/n2.png", "n1 n2"),
        ("images/a.jpg labels/a.txt", "images/a.jpg", ""),
        ("images/a.jpg labels/b.jpg", "images/a.jpg labels/b.jpg", "images labels"),
        ("images/a.jpg annotations/trimaps/a.png annotations/list.txt annotations/xmls/a.xml", "images/a.jpg", ""),
        (
            "train/good/0.png test/good/0.png test/crack/1.png ground_truth/crack/1_mask.png",
            "test/crack/1.png test/good/0.png train/good/0.png",
            "crack good",
        ),
        ("x/train/a/0.png x/test/b/0.png x/ground_truth/b/0_mask.png", "x/test/b/0.png x/train/a/0.png", "a b"),
        ("images/cat/0.png images/dog/0.png labels/cat/0_L.png", "images/cat/0.png images/dog/0.png", "cat dog"),
        ("JPEGImages/a.jpg SegmentationClass/a.png ImageSets/Main/train.txt", "JPEGImages/a.jpg", ""),
        ("train/0.png gt/1.png", "gt/1.png train/0.png", "gt train"),
        ("mask/1.png no_mask/1.png", "mask/1.png no_mask/1.png", "mask no_mask"),
        ("a_mask.png b_mask.png", "a_mask.png b_mask.png", ""),
        ("a.jpg a_mask.jpg", "a.jpg a_mask.jpg", ""),
    ],
)
def test_masks_beside_images_are_left_out_and_listed(tmp_path, names, kept, labels):
    found = open_images(make(tmp_path, *names.split()))
    assert found.ids == tuple(kept.split())
    assert found.label_names == tuple(labels.split())
    assert bool(found.skipped) == (len(kept) < len(names))


def test_what_is_said_about_masks(tmp_path):
    found = open_images(make(tmp_path, "images/a.jpg", "images/a_mask.png", "masks/a.png"))
    assert found.skipped == (
        "folder 'masks', which holds masks or labels of images",
        "1 mask beside images, such as 'images/a_mask.png'; move masks to a folder of their own to scan them",
    )
