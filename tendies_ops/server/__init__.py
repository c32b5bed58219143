"""
The embedded Model Server: from outside, tensorflow_model_server's twin.

    flags, model_config        what it is told
    source, policy, manager    which versions should serve, and the life cycle of each
    servable, tensorflow_c     one loaded SavedModel, run through TensorFlow's C library
    json_*, tensors_*          request bodies to tensors and back, to the byte
    request_reader, http_*     connections, and the threads that answer
    site, rest_handler         what each path answers

Source of the behaviour: tensorflow/serving 2.20 and exchanges recorded from it. See docs/reference/model-server.md.
"""
