"""A stand-in for the Spark provider's operator, with the names of its parameters."""

from airflow.sdk import BaseOperator


class SparkSubmitOperator(BaseOperator):
    def __init__(
        self,
        *,
        application="",
        conf=None,
        conn_id="spark_default",
        files=None,
        archives=None,
        driver_class_path=None,
        jars=None,
        java_class=None,
        packages=None,
        exclude_packages=None,
        repositories=None,
        total_executor_cores=None,
        executor_cores=None,
        executor_memory=None,
        driver_memory=None,
        keytab=None,
        principal=None,
        proxy_user=None,
        name="",
        num_executors=None,
        status_poll_interval=1,
        application_args=None,
        env_vars=None,
        verbose=False,
        spark_binary=None,
        properties_file=None,
        deploy_mode=None,
        **of_every_operator,
    ):
        super().__init__(**of_every_operator)
        self.application = application
        self.conf = conf or {}
        self.java_class = java_class
        self.application_args = application_args or []
        self.properties_file = properties_file
        self.deploy_mode = deploy_mode
