"""Graphs of ONNX from a `TransformerConfig`: each trait in one place, by name."""
