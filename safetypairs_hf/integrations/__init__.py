"""The pair-consistent figures inside other frameworks, one module for each.

All modules match and count pairs with `safetypairs_hf.metric.score`, so their figures are identical.
Every module except `trainer` and `shared` imports its framework, so nothing else in the library imports them.
"""
