"""What goes on beside the steps of a run."""
