from unitscope.images import imagenet_wnids, match_classes

CLASSES = ("tench", "crane", "tiger cat", "crane")
WNIDS = ("n01440764", "n02012849", "n02123159", "n03126707")


def test_wnids_are_the_1000_of_imagenet_in_order():
    wnids = imagenet_wnids()
    assert len(wnids) == len(set(wnids)) == 1000
    assert list(wnids) == sorted(wnids)
    assert (wnids[0], wnids[-1]) == ("n01440764", "n15075141")


def test_a_wnid_is_its_class_for_any_number_of_folders():
    assert match_classes(["n03126707", "n01440764"], CLASSES, WNIDS) == {"n03126707": 3, "n01440764": 0}


def test_a_name_matches_ignoring_case_and_underscores():
    assert match_classes(["Tench", "TIGER_cat"], CLASSES, WNIDS) == {"Tench": 0, "TIGER_cat": 2}


def test_an_ambiguous_name_matches_no_class():
    assert match_classes(["crane"], CLASSES, WNIDS) == {}


def test_labels_without_a_match_are_skipped():
    assert match_classes(["tumour", "n99999999", "tench"], CLASSES, ()) == {"tench": 0}
