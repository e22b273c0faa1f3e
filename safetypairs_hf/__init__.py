"""Counterfactual image pairs for safety: build, publish, load, score. Importing this imports nothing heavy."""
