"""One loss, one function, one equation."""
