"""What a cluster job does from its start to its end."""
