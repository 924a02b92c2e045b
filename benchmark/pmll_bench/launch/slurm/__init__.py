"""The Slurm launcher: what is submitted, what a job does, and what Slurm says about jobs."""
