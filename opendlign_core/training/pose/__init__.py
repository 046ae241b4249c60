"""Networks that tell the pose of a thing from its photo, trained end to end."""
