"""What every room may use: errors, records, ids, versions, images, the run folder, calls to the Hub.

This room imports no other room.
"""
