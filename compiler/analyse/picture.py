"""The spectral radius of an iteration matrix as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from thetaprime.analyse.stability import Stability


def plot(answer: Stability, path: Path) -> None:
    """Write the picture of `draw` to an image file. Raises OSError where it cannot be written."""
    draw(answer).savefig(path, dpi=150)


def draw(answer: Stability) -> Figure:
    """The spectral radius over the curvature, at the settings and defaults, frozen factors 1."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    wide = np.geomspace(1e-8, 1e8, 4001)
    stable = wide[answer.radius(wide) < 1]
    middle = float(stable[-1]) if len(stable) else 1.0
    curvatures = middle * np.geomspace(1e-4, 4, 800)
    axes.plot(curvatures, answer.radius(curvatures), linewidth=1.2)
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set_ylim(0, 2)
    shown = answer.curvature + (
        f", with {' = '.join(f.factor for f in answer.frozen)} = 1" if answer.frozen else "")
    axes.set_xlabel(shown)
    over = f" over {answer.period} steps" if answer.period > 1 else ""
    axes.set_ylabel(f"spectral radius{over}")
    axes.set_title(answer.name)
    axes.grid(alpha=0.3)
    return figure
