"""What the tables of the metric share: lines of figures, intervals, counts, names and signatures."""

from __future__ import annotations

WIDTH = 80
NAME = 24


def line(name: str, value: float | None, note: str = "") -> str:
    return f"{name:<22}{value:>8.4f}   {note}".rstrip()


def interval(ends: tuple[float, float]) -> str:
    return f"95% interval {ends[0]:.4f} to {ends[1]:.4f}"


def counted(n: int, noun: str) -> str:
    """A number and its noun, in the plural where it is not 1."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def shortened(name: str, width: int) -> str:
    """A name that leaves a space of `width` columns free, cut where it is longer."""
    return name if len(name) < width else name[: width - 2] + "…"


def wrapped(signature: str) -> list[str]:
    """The signature, broken after a bar where it is wider than the table."""
    lines = [""]
    for part in signature.replace("|", "|\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > WIDTH:
            lines.append("")
        lines[-1] += part
    return lines
