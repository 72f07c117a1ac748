"""What the steps of a recipe do, a file for each."""
