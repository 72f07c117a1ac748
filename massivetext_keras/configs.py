"""Every setting of the library, under the names that users write."""

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig
from massivetext_keras.architecture.word_encoder import WordEncoderConfig
from massivetext_keras.experiment import (
    FINE_TUNING,
    SCHEDULES,
    AdversarialConfig,
    DataConfig,
    ExperimentConfig,
    OptimizerConfig,
    TaskConfig,
    TokenizerConfig,
    TrainConfig,
    WordVectorsConfig,
)
from massivetext_keras.support.values import Config

__all__ = [
    "AdversarialConfig",
    "Config",
    "DataConfig",
    "ExperimentConfig",
    "FINE_TUNING",
    "ModelConfig",
    "OptimizerConfig",
    "RecurrentConfig",
    "RecurrentSeq2SeqConfig",
    "SCHEDULES",
    "TaskConfig",
    "TokenizerConfig",
    "TrainConfig",
    "TransformerConfig",
    "WordEncoderConfig",
    "WordVectorsConfig",
]
