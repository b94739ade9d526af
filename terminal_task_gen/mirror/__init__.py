"""A run at the URL of an object store: worked on in a staging folder of this machine, mirrored as whole objects.

    <url>/
      config.yaml  run.json                 as in the staging folder; run.json is created conditionally
      tasks/  trajectories/                 sealed shards; an object is never appended to
      recordings/<trajectory id>.cast       before the shard that holds the trajectory
      images/  corpus/  exports/            corpus and exports: their manifest last, so half of one is none
      logs/events-<staging id>.jsonl        one a machine
      writers/all.<n>.json                  who writes here (lease.py)

All promises of store.py hold in the staging folder. What is not yet a sealed shard at the URL is lost with the machine,
and owed again elsewhere. Only `remote.py` knows fsspec.
"""
