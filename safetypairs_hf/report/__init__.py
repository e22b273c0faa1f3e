"""Reports on predictions, a run folder or a published dataset: a page that needs no network, a folder, JSON, Markdown.

Every figure comes from `safetypairs score`, from the run's files, or from the published manifest. The data of a page
(`guards_page`, `run_page`, `dataset_page`) are plain values, which `--json` prints and `templates/` render.
"""
