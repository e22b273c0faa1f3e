"""Loading published versions: what comes is the version that was asked for, or an error says so.

Named `loading` because `safetypairs_hf.load` is the function.
"""
