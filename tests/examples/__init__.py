"""Each program of `examples/` runs and does what its first lines say."""
