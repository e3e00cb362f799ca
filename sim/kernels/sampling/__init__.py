"""Random numbers by name, and the values of quantities at them."""
