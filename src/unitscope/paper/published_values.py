"""The values that Shang, Yang and He (2019) report, to compare with our own.

In: nothing. Out: the paper's values, keyed by the networks' names in its tables.
"""

TABLE_1 = {"VGG-16": (138_357_544, 528), "ResNet-50": (25_583_592, 98)}
TABLE_2 = {
    "AlexNet": (8, 61.0, 42.90, 19.80, 14.56),
    "VGG-16": (16, 138.0, 27.00, 8.80, 128.62),
    "ResNet-50": (50, 25.5, 24.01, 7.02, 103.58),
}
# Cosines of pairs of validation images at VGG-16's last convolution.
TABLE_3 = {
    ("Greater Swiss Mountain dog", "Pembroke"): 0.69,
    ("Greater Swiss Mountain dog", "church"): 0.26,
    ("Greater Swiss Mountain dog", "prison"): 0.26,
    ("prison", "church"): 0.63,
    ("breastplate", "dumbbell"): 0.70,
    ("snake", "conch"): 0.82,
}
# Top-1 before and after, Top-5 before and after.
TABLE_4 = {
    "VGG-16": (0.64274, 0.64284, 0.85592, 0.85586),
    "ResNet-50": (0.67692, 0.68102, 0.87494, 0.88296),
}
TABLE_5 = {
    "VGG-16": (0.64274, 0.60724, 0.85592, 0.83230),
    "ResNet-50": (0.67692, 0.67730, 0.87494, 0.88008),
}
CLASSES_OF_FIGURES_5_AND_6 = {284: "Siamese cat", 151: "Chihuahua", 310: "ant"}
# Layer and unit of figure 2, and of figure 3; figure 7 shows both.
OWN_UNITS = (("conv5_3", 71), ("conv5_2", 11))
# Of the nine units of highest response, a cat and a dog share three (figure 4).
SHARED_BY_CAT_AND_DOG = 3


def row_of(reference: str) -> str:
    """Return the paper's name for a network; the reference itself if the paper has none."""
    plain = reference.rpartition(":")[2].replace("_", "").replace("-", "").lower()
    known = {"vgg16": "VGG-16", "resnet50": "ResNet-50", "alexnet": "AlexNet"}
    return known.get(plain, reference)
