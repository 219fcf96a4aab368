"""What other libraries need for the cases of the benchmark `augment`, on one thread."""
