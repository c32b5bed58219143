"""Decide what each path of the port answers: request bodies to tensors, and tensors to answers."""
