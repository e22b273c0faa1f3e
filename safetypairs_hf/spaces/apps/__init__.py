"""The apps of the Spaces. Each is copied into the folder of its Space as app.py."""
