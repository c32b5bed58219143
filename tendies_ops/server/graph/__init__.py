"""Run one loaded SavedModel through TensorFlow's C library."""
