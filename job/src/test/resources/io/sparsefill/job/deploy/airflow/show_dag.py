"""Runs the DAG file that is its argument against the stand-ins beside it, and prints what it defines as JSON."""

import json
import runpy
import sys

runpy.run_path(sys.argv[1])

from airflow.sdk import DAGS  # noqa: E402 (after the file, which fills it)

print(
    json.dumps(
        [
            {
                "dag_id": dag.dag_id,
                "schedule": dag.schedule,
                "catchup": dag.catchup,
                "max_active_runs": dag.max_active_runs,
                "retries": dag.default_args.get("retries"),
                "tasks": [vars(task) for task in dag.tasks],
            }
            for dag in DAGS
        ]
    )
)
