"""What people read keeps to the words of the glossary in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_PLACES = ("tendies_ops", "docs", "examples", "docker", "tools", "dags", "plugins", "README.md", "CONTRIBUTING.md")
_KINDS = {".py", ".md", ".html", ".js", ".yaml", ".yml", ".sh"}
#: Made from figures that were published under these words, and the glossary itself.
_MADE = re.compile(r"<!-- (made by .*?<!-- end of what is made|words -->.*?<!-- end of words) -->", re.DOTALL)

#: Words, and what to write in their place.
GLOSSARY = {
    r"\bnobody\b|\bsomebody\b": "no one, another process",
    r"\bwhoever\b": "anyone who, the caller",
    r"\banew\b": "again",
    r"\bmeanwhile\b": "in the meantime",
    r"\bbeside\b": "next to, in addition to",
    r"\balike\b": "both, in the same way",
    r"\btold\b|\btells?\b|\btelling\b": "report, log, return, show",
    r"\bhe+ds?\b": "use, follow",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\bhiccup": "transient error",
    r"\bin words\b|\bown words\b": "as text; the message",
    r"\blets? go of\b|\bgiven? free\b": "release, unload",
    r"\bheld against\b|\bholds? \w+ against\b": "compare with",
    r"\b(is|are|was|were|stays?|turns?) (red|green)\b": "fails, succeeds",
    r"\bdone again\b|\bthe same again\b": "processed again, a rerun",
    r"\b(goes|went|go|leaves?) away\b": "is unloaded, is unreachable; omit",
    r"\bso many\b": "this many",
    r"\bgone since\b|\ba while\b|\ba moment ago\b": "a time with a unit",
    r"\bthe road\b|\bstations?\b": "pipeline, step",
    r"\beats\b": "takes",
    r"\b(is|are|was|were) none\b": "is not one, is empty",
    r"\bprove[sd]? (itself|themselves)\b": "pass its proof",
    r"\bstays? as (it|they) (is|are)\b": "remain unchanged",
    r"\bstumbles?\b": "fail on",
    r"\ba person\b": "a user",
    r"(?<!there )(?<!that )\b(is|are|was|were) no (?!longer\b|more\b|such\b|one\b|\w+er\b)": "is not a",
    r"\bl(ies|ie|ay|ays) (in|at|below|above|next|there|here)\b": "is, are",
}
#: Where a word means what it means.
_LITERAL = (
    "skies are green",  # the sky's colour
    "so many checkpoints",  # that many
)


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that people read, with their numbers: of Python, comments and strings."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        source = _MADE.sub(lambda made: "\n" * made[0].count("\n"), source)
        source = re.sub(r"\{[%#{].*?[%#}]\}", " ", source) if path.suffix == ".html" else source
        yield from enumerate(source.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING}:
            text = re.sub(r"\{[^{}]*\}", "…", token.string) if '"' in token.string[:3] else token.string
            yield from enumerate(text.splitlines(), token.start[0])


def _in_glossary(text: str) -> Iterator[str]:
    for pattern, better in GLOSSARY.items():
        found = re.search(pattern, text, re.IGNORECASE)
        if found and found[0].rpartition(" ")[2] != "None" and not any(literal in text for literal in _LITERAL):
            yield f"{found[0]!r} ({better})"


def _files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *_PLACES], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return [ROOT / name for name in listed.splitlines() if Path(name).suffix in _KINDS and (ROOT / name).is_file()]


def test_no_text_uses_a_word_that_the_glossary_replaces() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {words}: {text.strip()}"
        for path in _files()
        for number, text in _texts(path)
        for words in _in_glossary(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    ["The server is away; nobody answers.", "It is no picture.", "The task is red.", "a folder beside it", "told anew"],
)
def test_a_sentence_of_the_old_kind_is_found(text: str) -> None:
    assert list(_in_glossary(text))


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    """Not with the question that the text answers."""
    questions = re.compile(r"(What|Whether|How|Where|Which|Of)\b")
    found = []
    for path in _files():
        if path.suffix == ".py" and path.is_relative_to(ROOT / "tendies_ops"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    text = ast.get_docstring(node) or ""
                    if questions.match(text):
                        found.append(f"{path.relative_to(ROOT)}: {text.splitlines()[0]}")
    assert found == []
