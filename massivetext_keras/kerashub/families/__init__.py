"""Families of models of KerasHub, a table of names for each."""
