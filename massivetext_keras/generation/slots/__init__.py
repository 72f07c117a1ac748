"""Continuous batching: texts that share the steps of a model, and begin and end at any
time (Yu et al., 2022)."""

from massivetext_keras.generation.slots.decoder import News, SlotDecoder
from massivetext_keras.generation.slots.graphs import Rules
from massivetext_keras.generation.slots.rows import MOST_STOP_IDS
from massivetext_keras.generation.slots.text import Text

__all__ = ["MOST_STOP_IDS", "News", "Rules", "SlotDecoder", "Text"]
