"""Claims and their verdicts: exact algebra, proofs that can be checked again, counterexamples."""
