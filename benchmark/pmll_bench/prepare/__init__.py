"""What a plan needs before its cells run: downloads, word vectors, class names that can be told apart."""
