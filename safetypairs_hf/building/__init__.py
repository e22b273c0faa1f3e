"""Building pairs: units of sources go through the stages until the draw is complete.

In the order of the work: `recipe`, `build`, `engines/`, `rounds`, `stages` (instruct, edit), `preservation`, `judge`,
`selection`, `controls`; `stage_files` is how a stage is kept on disk, `run_reader` how a run is read again.
"""
