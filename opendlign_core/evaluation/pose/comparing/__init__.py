"""The pose of a thing in a photo without training: views of its CAD are compared with the photo."""
