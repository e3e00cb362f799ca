"""Statistics of Datasets, each with its Monte Carlo error."""
