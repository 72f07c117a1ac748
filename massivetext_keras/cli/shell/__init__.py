"""The program as somebody in a shell meets it: results, help, completion, a start."""
