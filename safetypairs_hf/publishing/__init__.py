"""Changing a dataset: publish a run, take pairs down, purge history.

In the order of the work: `publish` (a release in four steps), `plan` (what changes), `staging` (its files), `uploader`
(files ahead of the commit), `hub_target` and `local_target` (the commit).
"""
