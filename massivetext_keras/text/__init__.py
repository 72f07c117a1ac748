"""Around texts: framing, words, windows, conversations, in the graph."""

from massivetext_keras.support.backend import require

require()
