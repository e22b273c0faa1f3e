"""The demo: everything from building to scoring, on one machine, offline."""
