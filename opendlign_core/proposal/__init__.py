"""Proposals: where in a scene things may stand, before anybody says what they are."""
