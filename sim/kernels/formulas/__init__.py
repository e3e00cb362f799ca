"""The formulas of the model, a file a section of the specification; `world` evaluates them all."""
