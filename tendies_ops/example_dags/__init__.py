"""
DAG files to copy into the DAGs folder: a release, a batch and a rollback DAG for each model spec.

They read the specs named by ``index.txt`` in ``TENDIES_SPECS_DIR``; the default is ``specs/`` next to the DAGs folder.
``tendies init`` copies them into a new working folder.
"""
