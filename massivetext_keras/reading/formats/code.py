"""Source code: a file is a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.formats.text import text
from massivetext_keras.reading.streams import suffixes

LANGUAGES = {
    suffix: language
    for language, names in {
        "Assembly": ".asm .s",
        "C": ".c .h",
        "C#": ".cs",
        "C++": ".cc .cpp .cxx .hh .hpp .hxx",
        "CMake": ".cmake",
        "CSS": ".css .less .scss",
        "Clojure": ".clj .cljs",
        "Cuda": ".cu .cuh",
        "Dart": ".dart",
        "Elixir": ".ex .exs",
        "Erlang": ".erl .hrl",
        "Fortran": ".f .f90 .f95",
        "Go": ".go",
        "Groovy": ".gradle .groovy",
        "Haskell": ".hs",
        "Java": ".java",
        "JavaScript": ".cjs .js .jsx .mjs",
        "Julia": ".jl",
        "Kotlin": ".kt .kts",
        "Lisp": ".el .lisp .scm",
        "Lua": ".lua",
        "OCaml": ".ml .mli",
        "Objective-C": ".m .mm",
        "PHP": ".php",
        "Perl": ".pl .pm",
        "PowerShell": ".ps1",
        "Protocol Buffer": ".proto",
        "Python": ".py .pyi .pyx",
        "R": ".r",
        "Ruby": ".rb",
        "Rust": ".rs",
        "SQL": ".sql",
        "Scala": ".scala",
        "Shell": ".bash .fish .sh .zsh",
        "Swift": ".swift",
        "TeX": ".sty .tex",
        "TypeScript": ".ts .tsx",
        "VHDL": ".vhd .vhdl",
        "Verilog": ".sv .v",
        "Vim script": ".vim",
        "Vue": ".vue",
        "Zig": ".zig",
    }.items()
    for suffix in names.split()
}


@format(suffixes=[*LANGUAGES], textual=True, is_one=True)
def code(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads a file of source code; `columns["programming_language"]` says of which."""
    language = LANGUAGES.get(suffixes(options.name)[0])
    for row in text(stream, options):
        if isinstance(row, Document):
            row.kind = "code"
            if language:
                row.columns["programming_language"] = language
        yield row
