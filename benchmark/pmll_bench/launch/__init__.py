"""How groups are carried out: in this process, or as jobs of a cluster."""
