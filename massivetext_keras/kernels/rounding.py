"""When two floats are equal."""

# Floats that differ by no more than this share of them (or, below 1, than this) are
# equal: processors, batches and ways to compile a graph round differently.
ROUNDING = 1e-4
