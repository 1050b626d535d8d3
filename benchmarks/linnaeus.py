"""Linnaeus' own examples, side by side with its published verdicts.

    python benchmarks/linnaeus.py            a table
    python benchmarks/linnaeus.py --record   and benchmarks/results/linnaeus.json

Linnaeus (Zhao, Lessard and Udell, arXiv:2105.04684; github.com/udellgroup/Linnaeus_software at
bfce363) is the one published system that decides whether iterative algorithms are equivalent. The
verdicts are those that its documentation, notebook and tests state, or that follow from the
transfer functions that its library lists (marked so), with which ours are compared too; it was not
run here. Left out are its examples with proximal operators, projections and gossip matrices, which
no spec can state yet, and with them conjugation. Seconds are ours, for the verdict, specs compiled.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from recording import machine, quantile, record, where

from thetaprime.compare.linear import Linear, decide
from thetaprime.ir import Step
from thetaprime.pipeline import compile_text
from thetaprime.render import spec_text

A, B = "hyper alpha = 0.1 in (-inf, inf)\n", "hyper beta = 0.5 in (-inf, inf)\n"
GAMMA = "hyper gamma = 0.5 in (-inf, inf)\n"
PREV = "p = prev(x, x)\n"
RULES = {
    "Algorithm 1": "state x2 = x\ny = 2*x - x2\nx2' = x\nx' = y - grad(y)/10",
    "Algorithm 2": "state u = 0\nx' = x - u - g/5\nu' = u + g/10",
    "algo7": A + "x' = x - alpha*g",
    "algo8": A + "y = x - alpha*g\nx' = y - alpha*grad(y)",
    "gradient": A + "x' = x - alpha*g",
    "heavy ball": A + B + "x' = x - alpha*g + beta*(x - prev(x, x))",
    "heavy ball, Hb": A + B + "state p = 0\np' = beta*p - g\nx' = x + alpha*p'",
    "Nesterov": A + B + PREV + "y = x + beta*(x - p)\nx' = y - alpha*grad(y)",
    "triple momentum": A + B + GAMMA + PREV
                       + "x' = x - alpha*grad(x + gamma*(x - p)) + beta*(x - p)",
    "QHM": A + B + "hyper nu = 0.5 in (-inf, inf)\nstate m = 0\nm' = beta*m + (1 - beta)*g\n"
                   "x' = x - alpha*((1 - nu)*g + nu*m')",
    "SUM": A + B + "hyper s = 1 in (-inf, inf)\nstate q = x\nq' = x - s*alpha*g\n"
                   "x' = x - alpha*g + beta*(q' - q)",
    "OMD": A + "x' = x - 2*alpha*g + alpha*prev(g, 0)",
    "reflected": A + PREV + "x' = x - alpha*grad(2*x - p)",
    "Arrow-Hurwicz": A + "state y = x\nh = grad(y)\nx' = x - alpha*h\ny' = x - 2*alpha*h",
    "from the past": A + "state h = 0\ny = x - alpha*h\nh' = grad(y)\nx' = x - alpha*h'",
    "extragradient": A + "y = x - alpha*g\nx' = x - alpha*grad(y)",
    "one third": "x' = x - g/3",
    "0.1 and 0.9": "x' = x - 0.1*g + 0.9*(x - prev(x, x))",
    "5x - 4p": "x' = 5*x - 4*prev(x, x) - g",
    "3x - 2g": "x' = 3*x - 2*g",
}


# Transfer functions as webapp/data/algorithms.json lists them.
PUBLISHED = {
    "gradient": "-alpha/(z - 1)",
    "heavy ball": "-alpha*z/((z - 1)*(z - beta))",
    "Nesterov": "-alpha*(1 + beta)*(z - beta/(1 + beta))/((z - 1)*(z - beta))",
    "triple momentum": "-alpha*(1 + gamma)*(z - gamma/(1 + gamma))/((z - 1)*(z - beta))",
    "QHM": "-alpha*(1 - beta*nu)*(z - beta*(1 - nu)/(1 - beta*nu))/((z - 1)*(z - beta))",
    "SUM": "-alpha*(1 + beta*s)*(z - beta*s/(1 + beta*s))/((z - 1)*(z - beta))",
    "OMD": "-alpha*(2*z - 1)/(z*(z - 1))",
}
LISTED = "follows from the transfer functions of algorithms.json"


@dataclass(frozen=True)
class Example:
    """``published``: equivalent, equivalent with parameters, repetition, different."""

    a: str
    b: str
    published: str
    source: str


EXAMPLES = (
    Example("Algorithm 1", "Algorithm 2", "equivalent", "README, notebook of section 9"),
    Example("algo7", "algo8", "repetition", "docs/examples.md"),
    Example("gradient", "triple momentum", "equivalent with parameters", "docs/detection.md"),
    Example("one third", "gradient", "equivalent with parameters", "test_expert_usage.py"),
    Example("0.1 and 0.9", "heavy ball", "equivalent with parameters", "test_expert_usage.py"),
    Example("5x - 4p", "heavy ball", "equivalent with parameters", "test_expert_usage.py"),
    Example("3x - 2g", "gradient", "different", "test_expert_usage.py"),
    Example("3x - 2g", "heavy ball", "different", "test_expert_usage.py"),
    Example("3x - 2g", "Nesterov", "different", "test_expert_usage.py"),
    Example("3x - 2g", "QHM", "different", "test_expert_usage.py"),
    Example("heavy ball", "heavy ball, Hb", "equivalent", "library, two forms"),
    Example("heavy ball", "triple momentum", "equivalent with parameters", LISTED),
    Example("Nesterov", "triple momentum", "equivalent with parameters", LISTED),
    Example("QHM", "triple momentum", "equivalent with parameters", LISTED),
    Example("SUM", "triple momentum", "equivalent with parameters", LISTED),
    Example("OMD", "triple momentum", "equivalent with parameters", LISTED),
    Example("OMD", "reflected", "equivalent", LISTED),
    Example("Arrow-Hurwicz", "reflected", "equivalent", "test_expert_usage.py"),
    Example("Arrow-Hurwicz", "from the past", "equivalent", "test_expert_usage.py"),
    Example("extragradient", "gradient", "different", LISTED),
)


def step_of(name: str) -> Step:
    title = "".join(c for c in name.title() if c.isalnum())
    lines = "".join(f"  {line}\n" for line in RULES[name].splitlines())
    return compile_text(f"optimizer Rule{title}\n{lines}")


def verdict(found: Linear) -> tuple[str, str]:
    """In the words of Linnaeus, and what we say beyond."""
    if found.same["transfer"]:
        runs = "from these starts too" if found.same["queries"] else "after other starts only"
        return "equivalent", runs
    if found.repetition is not None:
        return "repetition", f"{found.repetition.times} steps of {found.repetition.rule}"
    solutions = found.maps("transfer")
    if solutions is None:
        return "unknown", ""
    told = []
    for one in solutions:
        if one.general:
            values = ", ".join(f"{n} = {spec_text(e)}" for n, e in one.values.items())
            told.append(values + (f", any {' and '.join(one.free)}" if one.free else ""))
    return ("equivalent with parameters" if told else "different"), " | ".join(told)


def listed() -> dict[str, bool]:
    """Whether our transfer functions are the published ones."""
    import sympy

    found = {}
    for name, text in PUBLISHED.items():
        pair = decide(step_of(name), step_of(name))
        assert pair is not None
        ((ours,),) = pair.transfer("a")
        names = {n: sympy.Symbol(n) for n in ("alpha", "beta", "gamma", "nu", "s", "z")}
        gap = sympy.sympify(f"{spec_text(ours)} - ({text})".replace("^", "**"), names)
        found[name] = bool(sympy.cancel(gap) == 0)
    return found


def measured(example: Example, times: int = 5) -> dict[str, object]:
    one, two = step_of(example.a), step_of(example.b)
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        found = decide(one, two)
        assert found is not None
        ours, more = verdict(found)
        seconds.append(time.perf_counter() - begin)
    return {**asdict(example), "ours": ours, "more": more, "agrees": ours == example.published,
            "seconds": round(sorted(seconds)[len(seconds) // 2], 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="write the results as JSON")
    args = parser.parse_args()
    decide(step_of("gradient"), step_of("QHM"))  # sympy is loaded
    report = machine()
    rows = [measured(example) for example in EXAMPLES]
    seconds = [float(str(row["seconds"])) for row in rows]
    print(where(report))
    for row in rows:
        mark = "ok" if row["agrees"] else "DIFFERS"
        print(f"{mark:8}{row['a']} ~ {row['b']}: {row['published']}; ours: {row['ours']} "
              f"({row['seconds']:.3f} s)" + (f"\n{'':8}{row['more']}" if row["more"] else ""))
    same = listed()
    print(f"transfer functions as published: {sum(same.values())} of {len(same)}")
    print(f"{sum(bool(r['agrees']) for r in rows)} of {len(rows)} agree; median "
          f"{quantile(seconds, 0.5):.3f} s, most {max(seconds):.3f} s")
    if args.record:
        record("linnaeus", {**report, "rows": rows, "transfer_functions": same})


if __name__ == "__main__":
    main()
