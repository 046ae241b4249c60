"""Scans of places with what stands in them: from the files of data sets into scenes, y up."""
