"""Open-vocabulary detection: which boxes of a scene hold what, by the names of things."""
