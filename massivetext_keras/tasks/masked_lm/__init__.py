"""Masked language models, and detectors of replaced tokens."""
