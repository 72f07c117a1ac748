"""What writes many texts at a time: a thread around slots, and what is sent of texts."""

from massivetext_keras.serving.engine.engine import SlotEngine

__all__ = ["SlotEngine"]
