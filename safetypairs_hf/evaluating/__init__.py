"""Run a guard over published pairs: predictions in one Parquet file, from work units that a killed run resumes.

In the order of the work: `evaluate` (all of it), `data` (what is asked), `run_identity` (what a run is of), `judging`
(the guard, with reading and decoding ahead of it), `work_units` (units on disk, joined in the end), `journal` (the
answers of a unit that is not done), `abstentions` (what has no verdict, and what may be asked again), `prediction_file`
(what the file says of itself), `checking` (predictions against a dataset), `benchmark` and `hub_results` (results on
the Hub).
"""
