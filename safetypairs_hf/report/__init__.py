"""A report: one HTML page that needs no network, and a Markdown table for a paper.

Of predictions, of a run folder, or of a published dataset. Every figure is that of `safetypairs score`, of the run's
funnel, or of the published manifest; nothing is computed here that is not computed there.
"""
