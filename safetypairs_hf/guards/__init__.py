"""Guards: everything that estimates P(unsafe) of an image under a category's policy. Guards also judge builds."""
