"""The mathematics of layers made fast, each beside its plain form."""

from massivetext_keras.support.backend import require

require()
