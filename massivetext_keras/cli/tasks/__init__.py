"""The verbs of tasks that learn from examples."""
