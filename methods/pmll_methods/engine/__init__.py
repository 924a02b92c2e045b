"""The training loop: what every torch method runs in."""
