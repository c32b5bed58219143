"""The command line: a module a command, all thin over the same core that Airflow uses."""
