"""Drawings of results."""

from pathlib import Path


def draw(results: Path, folder: Path) -> list[Path]:
    """Draw."""
    raise NotImplementedError
