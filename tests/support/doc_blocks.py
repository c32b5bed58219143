"""What the pages of the documentation show as code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "bench/**/*.md", "docker/**/*.md")
    for path in REPOSITORY.glob(pattern)
)
_FENCED = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)
_INDENTED = re.compile(r"^    (?P<code>\S.*)$", re.MULTILINE)
_INLINE = re.compile(r"`(?P<code>[^`\n]+)`")
_ENDS_A_COMMAND = frozenset({"|", "&", "&&", ";", ">", "<"})


@dataclass(frozen=True)
class FencedBlock:
    """A fenced block, and what the comment above it says of it."""

    page: str
    number: int
    language: str
    code: str
    note: str

    def __str__(self) -> str:
        return f"{self.page}, block {self.number}"


def fenced_blocks(*languages: str) -> list[FencedBlock]:
    """Every block of these languages, in all pages; ``page`` is a path below the repository."""
    return [
        FencedBlock(str(page.relative_to(REPOSITORY)), number, match["language"], match["code"], match["note"] or "")
        for page in PAGES
        for number, match in enumerate(_FENCED.finditer(page.read_text(encoding="utf-8")), 1)
        if match["language"] in languages
    ]


def commands(program: str) -> list[tuple[str, tuple[str, ...]]]:
    """Page and arguments of every call of a program: in fenced and indented blocks, and within a line."""
    return sorted({(str(page.relative_to(REPOSITORY)), found) for page in PAGES for found in _calls(page, program)})


def _calls(page: Path, program: str) -> Iterator[tuple[str, ...]]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for pattern in (_FENCED, _INDENTED, _INLINE):
        for match in pattern.finditer(text):
            for line in match["code"].splitlines():
                if line.strip().startswith(f"{program} "):
                    yield _arguments(line.strip())


def _arguments(line: str) -> tuple[str, ...]:
    """The words after the program, up to what belongs to the shell."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    arguments = []
    for word in list(words)[1:]:
        if word in _ENDS_A_COMMAND:
            break
        arguments.append(word)
    return tuple(arguments)
