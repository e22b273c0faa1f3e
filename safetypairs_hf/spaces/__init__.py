"""Spaces for the Hub: folders with a Gradio app, all that it needs, and this package as a wheel."""
