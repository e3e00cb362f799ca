"""The public verbs simulate, sample and sweep, and construction of Datasets."""
