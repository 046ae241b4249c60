"""Pose: how well the turn of a thing is told from its photo."""
