"""Many texts at a time: a thread around slots, and what of texts may be sent."""

from massivetext_keras.serving.engine.engine import SlotEngine

__all__ = ["SlotEngine"]
