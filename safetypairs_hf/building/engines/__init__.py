"""Engines execute the jobs of a build over its work units: in this process and its workers, or on Ray."""
