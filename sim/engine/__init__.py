"""Preparing a run, and the loop over draws."""
