"""Running a guard over published pairs: predictions in one Parquet file, from work units that a killed run resumes.

In the order of the work: `data` (what is asked), `identity` (what a run is of), `folder` (its parts on disk), `judging`
(the guard, with reading and decoding ahead of it), `joining` (the file), `running` (all of it), `summary` (the counts).
"""
