"""Distributions of uncertain quantities: families, quantile tables, moments and copulas."""
