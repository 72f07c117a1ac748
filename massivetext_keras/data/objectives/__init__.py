"""What is learnt from text: a file for each way to make labels of it."""
