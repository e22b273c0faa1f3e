"""Review of pairs by people: their decisions, what becomes of a pair by them, and how far the reviewers agree."""
