"""Results of several people in one store: merged by cell id, with an append-only history."""
