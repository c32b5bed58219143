"""
The embedded Model Server: a stand-in for tensorflow_model_server.

    run_server, flags    the command line, and how the parts are wired together
    http, rest           connections, and the answers of each path
    versions             the versions that should serve, and the life cycle of each
    loading, graph       version directories become loaded SavedModels, run through TensorFlow's C library
    json, protobuf       the formats of bodies and files
    embedded             the server as a child process

Source of the behaviour: tensorflow/serving 2.20 and exchanges recorded from it. See docs/reference/model-server.md.
"""
