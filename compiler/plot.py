"""Training losses as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from thetaprime.trial import Result


def plot(results: Sequence[Result], title: str, path: Path) -> None:
    """Write the picture of `draw` to an image file. Raises OSError where it cannot be written,
    ValueError where its ending names no image format."""
    draw(results, title).savefig(path, dpi=150)


def draw(results: Sequence[Result], title: str) -> Figure:
    """The losses of every result over the steps, on a logarithmic axis where all are positive."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    finite = [loss for result in results for loss in result.losses if math.isfinite(loss)]
    for result in results:
        label = result.optimizer
        if result.diverged_at is not None:
            label += f" (diverged at step {result.diverged_at})"
        axes.plot(range(1, len(result.losses) + 1), result.losses, label=label, linewidth=1.2,
                  marker="." if len(result.losses) < 3 else None)
    if finite and min(finite) > 0:
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("training loss of the batch")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
