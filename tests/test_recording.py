"""The recording in README is what the program shows today."""

from __future__ import annotations

import subprocess
import sys

from tests.support.source_copy import ROOT

SVG = ROOT / "docs/_static/recording.svg"


def test_the_recording_is_what_scripts_recording_makes() -> None:
    command = [sys.executable, str(ROOT / "scripts/recording"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_recording_is_small_and_names_no_real_address() -> None:
    text = SVG.read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert "https://upstream.example/simple/" in text and "127.0.0.1" not in text
    assert "prefers-color-scheme: dark" in text
    assert "<script" not in text
