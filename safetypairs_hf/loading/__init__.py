"""Load published versions. The result is exactly the requested version, or an error.

The room is called `loading` because `safetypairs_hf.load` is the function.
"""
