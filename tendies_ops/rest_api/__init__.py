"""The words of Model Server's REST API: paths, bodies, states. No I/O: client, embedded server and tests share it."""
