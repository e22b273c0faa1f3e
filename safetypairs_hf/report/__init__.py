"""Reports on predictions, a run folder or a published dataset: an HTML page that needs no network, a Markdown table.

Every figure comes from `safetypairs score`, from the run's funnel, or from the published manifest. Nothing is computed
here that is not computed there.
"""
