"""
The embedded Model Server: from outside, tensorflow_model_server's twin.

    run_server, flags    what it is told, and how its parts are wired together
    http, rest           connections, and what each path answers
    versions             which versions should serve, and the life cycle of each
    loading, graph       version directories become loaded SavedModels, run through TensorFlow's C library
    json, protobuf       what bodies and files are written in
    embedded             the whole of it as a child process

Source of the behaviour: tensorflow/serving 2.20 and exchanges recorded from it. See docs/reference/model-server.md.
"""
