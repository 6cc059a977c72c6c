"""Listening tests as one page each, and what their results say.

`build_*` reads folders of audio, `write_test` writes the page and its key, `read_results` takes
what listeners send back, `analyse` makes numbers of it and `write_results` a page.
"""

from __future__ import annotations

from .analysis import analyse
from .build import build_mushra, build_pairs, build_questions
from .design import Design, Question, Trial
from .draft import Settings, Test
from .page import write_test
from .result_page import write_results
from .results import Result, read_results

__all__ = [
    "Design",
    "Question",
    "Result",
    "Settings",
    "Test",
    "Trial",
    "analyse",
    "build_mushra",
    "build_pairs",
    "build_questions",
    "read_results",
    "write_results",
    "write_test",
]
