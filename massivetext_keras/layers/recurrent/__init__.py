"""Recurrent layers, and the stack of them."""
