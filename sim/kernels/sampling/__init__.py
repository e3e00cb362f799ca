"""Random numbers by name, and the values that quantities take at them."""
