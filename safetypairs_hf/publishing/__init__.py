"""Change a published dataset: publish a run, correct or take down pairs, purge history.

The modules in the order of the work: `publish` (a release in four steps), `plan` (what changes), `staging` (its files),
`uploader` (uploads ahead of the commit), `hub_target` and `local_target` (the commit).
"""
