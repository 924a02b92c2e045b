"""The local launcher: a pool of processes on this machine, called slots."""
