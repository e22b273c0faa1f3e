"""Import finished pairs into a run folder: `safetypairs import SOURCE --out RUN`.

    rows         read SOURCE as rows with columns: a folder, tables, a tar, a Hub dataset, Python objects
    recognition  find out which columns hold what, and make a ReadingPlan from that and from the user's options
    pairing      rows -> pairs, with a reason for every row that is in no pair
    pair_source  pairs -> candidates: decode, fit and encode both members in the same way

The rest is a build without editing: source -> judge -> select; see `building`.
"""
