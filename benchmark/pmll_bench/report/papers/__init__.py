"""Papers in reports: names and references, published numbers beside ours, and how far a method is checked."""
