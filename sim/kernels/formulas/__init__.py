"""Formulas of the model; a file for each section of docs/model.md."""
