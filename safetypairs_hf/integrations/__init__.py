"""The pair-consistent figures inside other people's loops, one module a framework.

Every one of them matches pairs and counts by `safetypairs_hf.metric.score`, so all give the same figures to the last
digit. Each module but `trainer` needs its framework to be imported; nothing of ours imports them.
"""
