"""Words of the pages, explained where they stand.

In: nothing. Out: a definition for each word; docs/words.md has the others.
"""

DEFINITIONS = {
    "response": "The mean of a unit's activation map over an image, written α: one number for each image and unit.",
    "exemplars": "The images with a unit's highest responses; nine unless the scan stored more.",
    "dead": "A dead unit's response is exactly zero for every image of the atlas.",
    "selectivity": (
        "How far a unit's mean response to one class exceeds the mean over the other classes: 0 if all are the same, 1 "
        "if the images of the others have the lowest response throughout."
    ),
    "d′": (
        "The difference between a unit's mean responses to a class and to all other images, in standard deviations "
        "within the two groups."
    ),
    "z": "How many standard deviations a response lies above the unit's mean response.",
    "sparsity": "How few units respond to an image, or how few images a unit responds to.",
    "Gini index": "How unequal values are: 0 if all are the same, near 1 if a few hold nearly everything.",
    "Treves–Rolls": "The squared mean over the mean square: 1 if all values are equal; the lower, the sparser.",
    "cosine": "The similarity of two patterns of mean responses, whatever their strength: 1 is the same, 0 unrelated.",
    "by chance": "The number of units that random choices of this size would have in common, on average.",
    "p": "How often a number at least this extreme arises by chance; small values speak against chance.",
    "confidence": "The probability that the network gives to the class it predicts.",
}
