#!/usr/bin/env bash
# A standalone Spark cluster whose workers offer their GPUs, one of which each executor gets
# (conf/spark-defaults-standalone.conf).
#   conf/standalone.sh start                       a master and a worker on this machine
#   conf/standalone.sh start spark://HOST:7077     a worker on a further machine
#   conf/standalone.sh stop                        what was started on this machine
# With $SPARK_HOME Spark's own folder is used, else the jars of the build (job/target/classpath.txt). Environment:
#   SPARK_MASTER_HOST, SPARK_MASTER_PORT   where the master listens (this machine's name, 7077)
#   SPARK_WORKER_CORES, SPARK_WORKER_MEMORY   what the worker offers (all cores; all memory but 1 GB)
#   SPARSEFILL_GPUS          the discovery script (conf/getGpus.sh)
#   SPARSEFILL_CLUSTER_DIR   logs, process ids and the executors' folders (sparsefill-cluster-$USER, in $TMPDIR)
set -euo pipefail

home=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
gpus_script=${SPARSEFILL_GPUS:-$home/conf/getGpus.sh}
# The temporary folder, not the home: machines may share that one.
folder=${SPARSEFILL_CLUSTER_DIR:-$(dirname "$(mktemp -u)")/sparsefill-cluster-$(id -un)}
master_host=${SPARK_MASTER_HOST:-$(hostname)}
master_port=${SPARK_MASTER_PORT:-7077}

fail() {
  echo "standalone.sh: $*" >&2
  exit 1
}

# Sets java, class_path and SPARK_HOME, from Spark's folder or the build's jars.
find_spark() {
  java=java
  if [[ -n ${JAVA_HOME:-} && -x $JAVA_HOME/bin/java ]]; then java=$JAVA_HOME/bin/java; fi
  if [[ -n ${SPARK_HOME:-} ]]; then
    [[ -d $SPARK_HOME/jars ]] || fail "cannot use SPARK_HOME=$SPARK_HOME: it has no folder jars"
    class_path="$SPARK_HOME/conf:$SPARK_HOME/jars/*"
    return
  fi
  local list=$home/job/target/classpath.txt jar
  [[ -s $list ]] || fail "cannot find Spark: set SPARK_HOME, or build first (mvn -B -ntp package), which writes $list"
  # What a worker needs to start executors: a file RELEASE, and jars.
  export SPARK_HOME=$folder/spark SPARK_SCALA_VERSION=2.13
  mkdir -p "$SPARK_HOME/jars"
  echo "jars of a build" >"$SPARK_HOME/RELEASE"
  local jars
  mapfile -d : -t jars <"$list"
  for jar in "${jars[@]}"; do ln -sf "$jar" "$SPARK_HOME/jars/"; done
  class_path="$SPARK_HOME/jars/*"
}

# start_one NAME TEXT COMMAND...: runs in the background, and returns when the log has the text.
start_one() {
  local name=$1 text=$2 log=$folder/$1.log pid_file=$folder/$1.pid tries=300
  shift 2
  if is_running "$pid_file"; then fail "cannot start the $name: process $(<"$pid_file") runs already; stop it first"; fi
  : >"$log"
  nohup "$@" >>"$log" 2>&1 </dev/null &
  echo $! >"$pid_file"
  until grep -q "$text" "$log"; do
    is_running "$pid_file" || fail "cannot start the $name: it has ended; see $log: $(tail -n 1 "$log")"
    ((tries-- > 0)) || fail "cannot start the $name: no \"$text\" in $log after a minute; stop it and look there"
    sleep 0.2
  done
  echo "$name: process $(<"$pid_file"), log $log"
}

# Whether the process in a file is there, and still Spark's: a pid is used again some day.
is_running() {
  [[ -f $1 ]] && kill -0 "$(<"$1")" 2>/dev/null && ps -o args= -p "$(<"$1")" | grep -q org.apache.spark.deploy
}

start() {
  local url=${1:-} found count
  found=$("$gpus_script") || fail "cannot start a worker: it would have no GPU (see above)"
  count=$(grep -o '"[0-9]\+"' <<<"$found" | wc -l)
  mkdir -p "$folder"
  find_spark
  if [[ -z $url ]]; then
    start_one master "I have been elected leader" "$java" "@$home/job/bin/jvm-options" -Xmx1g -cp "$class_path" \
      org.apache.spark.deploy.master.Master --host "$master_host" --port "$master_port"
    url=spark://$master_host:$master_port
  fi
  start_one worker "Successfully registered with master" "$java" "@$home/job/bin/jvm-options" -Xmx1g \
    -Dspark.worker.resource.gpu.amount="$count" -Dspark.worker.resource.gpu.discoveryScript="$gpus_script" \
    -Dspark.worker.cleanup.enabled=true -cp "$class_path" \
    org.apache.spark.deploy.worker.Worker --work-dir "$folder/work" "$url"
  echo "$count GPU(s) of this machine are in $url"
}

stop() {
  local name pid_file tries
  for name in worker master; do
    pid_file=$folder/$name.pid
    if is_running "$pid_file"; then
      kill "$(<"$pid_file")"
      tries=150
      while is_running "$pid_file"; do
        ((tries-- > 0)) || fail "cannot stop the $name: process $(<"$pid_file") does not end; see $folder/$name.log"
        sleep 0.2
      done
      echo "$name: stopped"
    else
      echo "$name: was not running"
    fi
    rm -f "$pid_file"
  done
}

case ${1:-} in
  start) start "${2:-}" ;;
  stop) stop ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
