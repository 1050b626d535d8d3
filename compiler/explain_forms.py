"""Lines that have one form and miss it: loops, batches, cases, routes. The message shows it."""

from __future__ import annotations

import re

# How such a line begins, what it lacks in words, and a right one. The first that fits is told.
FORMS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(begin), lacks, right) for begin, lacks, right in (
        (r"\s*\(?[\w', ]+\)?\s*=\s*iterate\s+from\b", "a number of turns: loops are bounded",
         "y = iterate 5 from y = x:"),
        (r"\s*\(?[\w', ]+\)?\s*=\s*iterate\b", "a number of turns, the values and their starts",
         "y = iterate 5 from y = x:"),
        (r"\s*\(?[\w', ]+\)?\s*=\s*search\b", "a number of trials, the value and its start",
         "(d, s, ok) = search at most 40 from s = lr:"),
        (r"\s*\(?[\w', ]+\)?\s*=\s*fold\b", "an index, a range, the values and their starts",
         "v = fold j over tasks from v = 0*x:"),
        (r"\s*accept\b", "a condition, and what the next turn begins with",
         "accept loss(x + d) <= loss(x) else s' = s/2"),
        (r"\s*on\s+exhaustion\b", "what a search that ran out gives", "on exhaustion last"),
        (r"\s*until\b", "a condition", "until norm(r over model) < 1e-6"),
        (r"\s*batch\b", "what the batch is", "batch B = new"),
        (r"\s*losses\b", "names, or an axis", "losses main, aux` or `losses tasks[k]"),
        (r"\s*case\b", "a condition on the tensor: its rank, its path, lengths of axes",
         "case rank >= 2 and not path ~ \"*embed*\":"),
        (r"\s*otherwise\b", "`:` or `->`",
         "otherwise:` in a case, `otherwise -> AdamW` in a route"),
        (r"\s*for\s+axis\b", "an axis and the parameter", "for axis a of x:"),
        (r"\s*view\b", "named axes", "view x as matrix[rows, rest]"),
        (r"\s*param\s+\w+\s*:\s*\w+\s*\(", "axes in brackets", "param X : matrix[rows, cols]"),
        (r"\s*store\b", "a state and a dtype", "store v as bfloat16 stochastic"),
        (r"\s*extern\b", "the types of arguments and result",
         "extern f(a: per entry, b: scalar) -> per entry"),
        (r"\s*\w+\s+with\s+(?:grad|loss)\b", "a point, `:=` and a formula",
         "base with grad(y) := grad(y) + lam*(y - x)"),
        (r"\s*(?:rank|rows|cols|path|not)\b.*(?:->|=|>|~)", "a condition, `->` and a spec",
         "rank == 2 -> Muon(lr = 0.02)"),
    ))


def form_of(line: str) -> tuple[str, str] | None:
    """What a line with a form of its own has to say, and a right one."""
    return next(((lacks, right) for begin, lacks, right in FORMS if begin.match(line)), None)
