"""Guards, which are also the judges of a build: whatever says P(unsafe) of an image under a category's policy."""
