"""Probe pairs: can anything tell the edited member of a pair without looking at content?

In pipeline order: `probe` (pairs in, findings out), `file_traces`, `pixel_traces` and `placement` (measurements of a
member), `detectors` (learners on them), `lookups` (items and words only), `findings` (the result).

`leaks` answers another question: are test pairs in the training data of a model (`training_images`)?
"""
