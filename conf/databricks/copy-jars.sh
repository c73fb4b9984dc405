#!/usr/bin/env bash
# Databricks runs this on every node before Spark starts: puts the jars of $SPARSEFILL_JARS on Spark's own class path, where
# spark.plugins finds them. The folder must have rapids-4-spark_2.13-26.08.1-cuda12.jar (the classifier of the runtime's CUDA
# version) and sparsefill-job-VERSION-all.jar, one each. A node without them would start a cluster that fails later: so this fails.
set -euo pipefail

from=${SPARSEFILL_JARS:?cannot copy jars: set SPARSEFILL_JARS in spark_env_vars to the folder that has them}
to=${DATABRICKS_JARS:-/databricks/jars}

for pattern in 'rapids-4-spark_2.13-*.jar' 'sparsefill-job-*-all.jar'; do
  mapfile -t found < <(find "$from" -maxdepth 1 -name "$pattern")
  if ((${#found[@]} != 1)); then
    echo "copy-jars.sh: cannot copy $pattern: $from has ${#found[@]} such files; leave exactly one there" >&2
    exit 1
  fi
  cp "${found[0]}" "$to/"
  echo "copy-jars.sh: ${found[0]} is in $to"
done
