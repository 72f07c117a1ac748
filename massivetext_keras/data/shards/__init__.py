"""Tokens on disk: written once, read as a function of the seed and k."""
