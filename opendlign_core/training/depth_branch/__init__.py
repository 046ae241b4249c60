"""The learner that OpenDlign is about: a depth branch beside the last block of a frozen CLIP."""
