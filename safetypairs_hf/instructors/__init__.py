"""Instructors: vision-language models that write the edit which makes an image safe."""
