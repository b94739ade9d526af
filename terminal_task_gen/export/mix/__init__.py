"""Training sets out of corpora: index the rows, choose, write."""
