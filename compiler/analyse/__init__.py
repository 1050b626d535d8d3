"""Questions about one rule: where it is stable on a quadratic, how fast it is in the worst case."""
