"""Families of models at Hugging Face, a table of names for each."""
