"""Texts from a generator that learns against a discriminator."""
