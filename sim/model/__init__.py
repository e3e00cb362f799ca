"""What the model is made of: dims, inputs and outputs, each declared once."""
