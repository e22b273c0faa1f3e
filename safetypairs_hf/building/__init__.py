"""Build pairs: work units of sources pass through the stages until enough pairs can be drawn.

The modules in the order of the work: `recipe`, `build`, `engines/`, `rounds`, `stages` (instruct, edit),
`preservation`, `judge`, `selection`, `controls`; `stage_files` stores a stage on disk, and `run_reader` reads a run.
"""
