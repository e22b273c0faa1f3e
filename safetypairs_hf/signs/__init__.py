"""Scenes of signs whose meaning lies in relation: the parts of the recipe `signs`."""
