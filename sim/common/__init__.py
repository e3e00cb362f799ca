"""Errors, text, numbers, threads, memory, files and fingerprints, for every room."""
