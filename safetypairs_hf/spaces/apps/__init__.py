"""The apps; each is copied into the folder of its Space as app.py."""
