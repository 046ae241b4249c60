"""The embedded rooms: procedural furniture where it would stand, seen by a scanner from a few places."""
