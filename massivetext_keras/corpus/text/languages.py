"""Languages by their codes and names."""

from __future__ import annotations

import contextlib
import difflib
import functools
import re
from typing import Annotated

from massivetext_keras.support.arguments import Known
from massivetext_keras.support.extras import need
from massivetext_keras.support.scripts import primary_language

# What the classifier answers, but for Cantonese and Wu
_CODES = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca
cbk ce ceb ckb co cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr
frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja
jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr
min mk ml mn mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa
pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq
sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war xal
xmf yi yo zh
"""
LANGUAGES = frozenset(_CODES.split())
# Cantonese and Wu in the characters that they share with Chinese
CHINESE = {"yue", "wuu"}
_ALIASES = {
    **dict.fromkeys([*CHINESE, "cn", "mandarin", "cantonese"], "zh"),
    **{"jp": "ja", "gr": "el", "dk": "da", "farsi": "fa"},
}


class _Tag:
    """A mark: a language as records name it, which may have a country, as pt-BR."""

    def read(self, value: str) -> str:
        if re.split("[-_]", value)[0] in LANGUAGES | CHINESE:
            return value
        return Known(LANGUAGES, language_code).read(value)


LanguageTag = Annotated[str, _Tag()]


def language_code(name: str) -> str | None:
    """The code that a name of a language, or another code, stands for.

    >>> [language_code(name) for name in ("English", "Deutsch", "eng", "zh-TW", "jp")]
    ['en', 'de', 'en', 'zh', 'ja']
    """
    name = name.strip().lower()
    first = primary_language(name)
    aliases = need("babel.core").get_global("language_aliases")
    code = aliases.get(first, _ALIASES.get(first, first))
    if code in LANGUAGES:
        return code
    names = _names()
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
    return names[near[0]] if near else None


@functools.cache
def _names() -> dict[str, str]:
    """Small names, English and own ones, and the codes that they mean."""
    locale, names = need("babel").Locale, {}
    english = locale("en")
    for code in sorted(LANGUAGES):
        with contextlib.suppress(need("babel.core").UnknownLocaleError):
            names[locale(code).get_language_name(code)] = code
        names[english.languages.get(code)] = code
    return {name.lower(): code for name, code in names.items() if name}
