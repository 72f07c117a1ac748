"""The verbs that hand a model on: as an export, and as a server."""
