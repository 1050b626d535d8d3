"""Long lines of generated Python folded the way a formatter would: by bracket, then by operator."""

from __future__ import annotations

WIDTH = 99


def fold_lines(lines: list[str]) -> list[str]:
    """The lines with those that are longer than WIDTH folded; inside of functions no two blank
    lines stand together."""
    after = [*lines[1:], "", ""]
    kept = [line for line, second, third in zip(lines, after, after[1:], strict=False)
            if line or second or not third.startswith(" ")]
    return [part for line in kept for part in fold_line(line)]


def fold_line(line: str) -> list[str]:
    """One logical line as lines no longer than WIDTH, where brackets and operators allow; a part of
    one stays as it is."""
    if len(line) <= WIDTH or line.count("(") != line.count(")"):
        return [line]
    body = line.lstrip()
    indent = line[: len(line) - len(body)]
    head, rest = "", body
    if body.startswith("return "):
        head, rest = "return ", body.removeprefix("return ")
    elif (cut := _first(body, (" = ",))) is not None:
        head, rest = body[: cut + 3], body[cut + 3:]
    elif body.startswith(("+ ", "- ", "* ", "/ ")):
        head, rest = body[:2], body[2:]
    tail = rest[-1] if rest.endswith((",", "):")) else ""
    inner = rest.removesuffix(tail)
    if parts := _parts(inner, (", ",)):
        return _bracketed(f"{indent}{head}(", [f"{p}," for p in parts], f"){tail}", indent)
    if parts := _parts(inner, (" + ", " - ")):
        return _bracketed(f"{indent}{head}(", parts, f"){tail}", indent)
    opening = _last_group(inner)
    if opening is not None and (content := inner[opening + 1: -1].strip()):
        parts = [f"{p}," for p in _parts(content, (", ",))]
        parts = parts or _parts(content, (" + ", " - ")) or [content]
        return _bracketed(f"{indent}{head}{inner[: opening + 1]}", parts,
                          f"{inner[-1]}{tail}", indent)
    if parts := _parts(inner, (" * ", " / ")):
        return _bracketed(f"{indent}{head}(", parts, f"){tail}", indent)
    return [line]


def _bracketed(opening: str, parts: list[str], closing: str, indent: str) -> list[str]:
    inside = [line for part in parts for line in fold_line(f"{indent}    {part}")]
    return [opening, *inside, indent + closing]


def _depths(text: str) -> list[int]:
    """How many brackets are open before each character."""
    depth, out = 0, []
    for char in text:
        depth -= char in ")]}"
        out.append(depth)
        depth += char in "([{"
    return out


def _first(text: str, marks: tuple[str, ...]) -> int | None:
    """Where one of the marks stands outside of all brackets."""
    depths = _depths(text)
    found = (i for i in range(len(text)) if depths[i] == 0 and text.startswith(marks, i))
    return next(found, None)


def _parts(text: str, marks: tuple[str, ...]) -> list[str]:
    """The text cut at marks outside of brackets; an operator stays with what follows it."""
    depths = _depths(text)
    cuts = [i for i in range(1, len(text)) if depths[i] == 0 and text.startswith(marks, i)]
    if not cuts:
        return []
    pieces = [text[a:b].strip() for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [p.removeprefix(",").strip() for p in pieces]


def _last_group(text: str) -> int | None:
    """The opening bracket of the group that ends the text."""
    if not text or text[-1] not in ")]":
        return None
    depths = _depths(text)
    return max(i for i in range(len(text) - 1) if text[i] in "([" and depths[i] == depths[-1])
