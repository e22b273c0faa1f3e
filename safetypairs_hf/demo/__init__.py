"""The demo: the whole workflow from building to scoring, on one machine, offline."""
