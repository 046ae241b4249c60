"""How many small faults the tests notice: mutants drawn by a seed, each run against the tests that reach it."""
