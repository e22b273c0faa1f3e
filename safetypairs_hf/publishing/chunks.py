"""Where Xet starts another chunk, so that what a later version leaves as it is can be found again.

Xet's storage cuts a file where a rolling hash of the last 64 bytes has sixteen zero bits, which happens every 64 kB by
chance; a chunk has 8 kB at least and 128 kB at most. A part that changes takes the chunks around it along. `BOUNDARY`
is 64 bytes with such a hash, found by trial, so a file that holds it between its parts is cut there. No Parquet reader
sees it: a footer names offsets, and nothing points to these bytes. Were Xet to choose its chunks otherwise, a version
would cost more to upload, and nothing else.
"""

from __future__ import annotations

BOUNDARY = b"safetypairs-hf: here ends a part; Xet starts another chunk 6vbrh"
