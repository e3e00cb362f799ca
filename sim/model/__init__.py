"""Dims, inputs and outputs of the model, each declared once."""
