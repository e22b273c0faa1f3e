"""Review of pairs by people: their decisions, the resulting status of each pair, and the agreement of reviewers."""
