"""Recurrent cells, and the loop over the tokens of a row, forward and backward."""
