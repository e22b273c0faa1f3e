"""Run a guard over published pairs: predictions in one Parquet file, made in work units that a killed run resumes.

The modules in the order of the work: `evaluate` (all of it), `data` (the images), `run_identity` (what identifies a
run), `judging` (calls the guard and prepares the next images), `work_units` (units on disk, joined in the end),
`journal` (answers of an unfinished unit), `abstentions` (images without a verdict), `prediction_file` (the metadata of
the file), `checking` (predictions against a dataset), `benchmark` and `hub_results` (results on the Hub).
"""
