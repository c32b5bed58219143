"""
The pages inside the Airflow UI: which model serves where, what runs, what failed and why, before and after.

They read what the other parts write (model specs, version directories, histories, ledgers, reports) and what the
servers report. They keep no state but a cache, and change nothing: each action is a call of the page's own script
to Airflow's API with the rights of the person who clicked.
"""
