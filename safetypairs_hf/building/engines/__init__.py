"""Engines run the jobs of a build over its work units: in this process and its workers, on Ray, or as SLURM jobs."""
