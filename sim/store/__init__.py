"""Runs and sweeps on disk."""
