"""Make Spaces for the Hub: folders with a Gradio app, its requirements, and this package as a wheel."""
