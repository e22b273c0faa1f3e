"""Can anything tell the edited member of a pair without looking at content?

In the order of the work: `probe` (pairs in, findings out), `file_traces`, `pixel_traces` and `placement` (what is
measured of a member), `detectors` (learners on it), `lookups` (items and words alone), `findings` (the answer).

`leaks` asks something else: are test pairs in what a model is trained on (`training_images`)?
"""
