"""Targets for fuzzers, and what they have found; ``tests/fuzzing`` replays the corpus."""
