"""How many draws stand side by side."""

GROUP = 8  # draws whose values stand side by side in memory, and numbers of a vector
