"""Measures of models and texts."""

from massivetext_keras.evaluation.answers import answer_scores, exact_match
from massivetext_keras.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
)
from massivetext_keras.evaluation.cross_validation import (
    CrossValidation,
    cross_validate,
    split_folds,
)
from massivetext_keras.evaluation.generated import bleu_against, self_bleu
from massivetext_keras.evaluation.labels import (
    confusion,
    draw_confusion,
    label_measures,
    number_measures,
)
from massivetext_keras.evaluation.likelihood import bits_per_byte
from massivetext_keras.evaluation.report import Report, write_report
from massivetext_keras.evaluation.significance import (
    LOWER_IS_BETTER,
    Comparison,
    Interval,
    approximate_randomization,
    bootstrap_interval,
    bootstrap_intervals,
    paired_bootstrap,
)
from massivetext_keras.evaluation.spans import span_scores
from massivetext_keras.evaluation.tuning import Range, Search, parse_values, search
from massivetext_keras.evaluation.word_overlap import sliding_window_answer
from massivetext_keras.evaluation.writing import (
    bleu,
    chrf,
    meteor,
    rouge,
    written_scores,
)

__all__ = [
    "LOWER_IS_BETTER",
    "Comparison",
    "CrossValidation",
    "Interval",
    "Range",
    "Report",
    "Search",
    "answer_scores",
    "approximate_randomization",
    "bits_per_byte",
    "bleu",
    "bleu_against",
    "bootstrap_interval",
    "bootstrap_intervals",
    "chrf",
    "confusion",
    "cross_validate",
    "draw_confusion",
    "exact_match",
    "expected_calibration_error",
    "fit_temperature",
    "label_measures",
    "meteor",
    "number_measures",
    "paired_bootstrap",
    "parse_values",
    "rouge",
    "search",
    "self_bleu",
    "sliding_window_answer",
    "span_scores",
    "split_folds",
    "write_report",
    "written_scores",
]
