"""The training step on the devices of a mesh."""
