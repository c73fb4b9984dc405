"""A stand-in for airflow.sdk: takes the parameters that conf/airflow_dag.py may use, and remembers what it was given."""

DAGS = []


class DAG:
    def __init__(
        self,
        dag_id,
        *,
        description=None,
        schedule=None,
        start_date=None,
        end_date=None,
        default_args=None,
        max_active_tasks=16,
        max_active_runs=16,
        dagrun_timeout=None,
        catchup=False,
        doc_md=None,
        params=None,
        tags=None,
    ):
        self.dag_id = dag_id
        self.schedule = schedule
        self.catchup = catchup
        self.max_active_runs = max_active_runs
        self.default_args = default_args or {}
        self.tasks = []

    def __enter__(self):
        DAGS.append(self)
        return self

    def __exit__(self, *raised):
        return False


class BaseOperator:
    def __init__(self, *, task_id, retries=None, retry_delay=None, execution_timeout=None, trigger_rule=None):
        self.task_id = task_id
        self.downstream = []
        DAGS[-1].tasks.append(self)

    def __rshift__(self, other):
        self.downstream.append(other.task_id)
        return other
