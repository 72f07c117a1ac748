"""`massivetext`: one program with a verb for each stage, from text to export."""

from massivetext_keras.cli.flags import REQUIRED, VERBS, UsageError, Verb, given, verb
from massivetext_keras.cli.program import main, run

__all__ = ["REQUIRED", "VERBS", "UsageError", "Verb", "given", "main", "run", "verb"]
