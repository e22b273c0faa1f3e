"""The pair-consistent figures inside other frameworks, one module for each.

All of them match and count pairs by `safetypairs_hf.metric.score`, so they give the same figures to the last digit.
Every module except `trainer` and `shared` imports its framework, so nothing else in the library imports them.
"""
