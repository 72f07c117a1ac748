"""Gradients that are not those of the loss alone: of clipped rows, of worst cases."""
