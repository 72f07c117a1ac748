"""What a task puts on a stack."""
