"""Zero-shot part segmentation: which part of an object each of its points belongs to, by the words for its parts."""
