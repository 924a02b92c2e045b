"""The launchers: they run groups in processes on this machine, or as cluster jobs."""
