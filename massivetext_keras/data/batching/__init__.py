"""Rows to batches, packed or bucketed: batch k is a function of the seed and k."""
