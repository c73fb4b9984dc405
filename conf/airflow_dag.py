"""Every night by Apache Airflow: pre-fills what is new in a corpus, then checks the output.

Copy it into the folder of DAGs. It needs the provider apache-airflow-providers-apache-spark, spark-submit on the worker's PATH,
and a connection "spark_default" that holds the master's URL. With Airflow 2, import DAG from airflow.
"""

from datetime import datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

HOME = "/opt/sparsefill"  # jar and conf, the same path on all machines
DATA = "/data"  # a file system that all machines see


def submit(task_id, arguments):
    """One command of Sparsefill on the cluster."""
    return SparkSubmitOperator(
        task_id=task_id,
        name=f"sparsefill {task_id}",
        conn_id="spark_default",
        # Client mode: in cluster mode a standalone cluster's spark-submit ends with 0 also when the driver has failed.
        deploy_mode="client",
        properties_file=f"{HOME}/conf/spark-defaults-standalone.conf",
        driver_memory="4g",
        java_class="io.sparsefill.job.Main",
        application=f"{HOME}/sparsefill-job-all.jar",
        application_args=arguments,
    )


with DAG(
    dag_id="sparsefill",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    # Missed nights need no runs of their own: the next one takes all that is new.
    catchup=False,
    # A second run on the same output would be refused by the lock of the first.
    max_active_runs=1,
    # A run that is tried again goes on with the wave that it had not finished; after three minutes, since the lock of a driver that
    # died on another host is respected for two.
    default_args={"retries": 2, "retry_delay": timedelta(minutes=3)},
) as dag:
    prefill = submit(
        "prefill",
        [
            "run",
            "--model",
            f"{DATA}/models/llama-3-8b-262k",
            "--patterns",
            f"{DATA}/models/llama-3-8b-262k/patterns.json",
            "--input",
            f"{DATA}/documents",
            "--output",
            f"{DATA}/prefilled",
            "--emit",
            "kv,logits",
            "--require-gpu",
            # Of a document that has changed, only the newest cache stays; readers have a day to end with the older.
            "--retain",
            "newest",
        ],
    )
    # Counts, checksums, completeness; exit code 3, and so a failed task, if anything is wrong.
    verify = submit("verify", ["verify", "--output", f"{DATA}/prefilled", "--sample", "0"])
    prefill >> verify
