"""Somebody's finished pairs into a run folder: `safetypairs import SOURCE --out RUN`.

    rows         SOURCE as rows with columns: a folder, tables, a tar, a Hub dataset, Python objects
    recognition  which columns hold what, where nobody says it; with what was said it makes a ReadingPlan
    pairing      rows -> pairs, and why the others are none
    pair_source  pairs -> candidates: both members decoded, fitted and encoded by one path

From there on it is a build without editing: source -> judge -> select; see `building`.
"""
