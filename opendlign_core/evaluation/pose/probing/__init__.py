"""Linear probes of pose: what a frozen encoder's features already know of it."""
