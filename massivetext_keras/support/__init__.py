"""What every floor stands on: values, files, packages, the machine."""
