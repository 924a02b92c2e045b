"""What Slurm says about the jobs of a store, and what became of those that are over."""
