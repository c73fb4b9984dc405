#!/usr/bin/env bash
# Tells Spark which GPUs this machine has: {"name": "gpu", "addresses": ["0", "1"]}, one address for each GPU.
# For spark.worker.resource.gpu.discoveryScript (standalone) and spark.executor.resource.gpu.discoveryScript
# (Kubernetes, YARN). Fails, and with it the worker or executor, where it finds no GPU: a job would wait for ever for one.
#
# A GPU in MIG mode is left out, with a line on standard error: Spark's address of a slice does not tell CUDA which it is.
# To run on a slice, start the executor with CUDA_VISIBLE_DEVICES=MIG-<uuid>; then this script gives that one address.
set -euo pipefail

fail() {
  echo "getGpus.sh: $*" >&2
  exit 1
}

command -v nvidia-smi >/dev/null ||
  fail "cannot list GPUs: nvidia-smi is not on the PATH; install the NVIDIA driver (in a container: the NVIDIA runtime)"
listed=$(nvidia-smi --query-gpu=index,mig.mode.current --format=csv,noheader 2>&1) ||
  fail "cannot list GPUs: nvidia-smi says: $listed"

addresses=()
mig=()
while IFS=, read -r index mode; do
  index=${index//[[:space:]]/}
  [[ -n $index ]] || continue
  [[ $index =~ ^[0-9]+$ ]] || fail "cannot list GPUs: nvidia-smi says: $listed"
  case ${mode//[[:space:]]/} in
    Enabled) mig+=("$index") ;;
    *) addresses+=("$index") ;; # Disabled, or [N/A] on GPUs without MIG
  esac
done <<<"$listed"

if ((${#mig[@]})); then
  if [[ ${CUDA_VISIBLE_DEVICES:-} == MIG-* && $CUDA_VISIBLE_DEVICES != *,* ]]; then
    addresses=(0) # the one device that CUDA shows to this process's children
  else
    echo "getGpus.sh: GPU ${mig[*]} is in MIG mode and left out; see the comment in this script" >&2
  fi
fi
((${#addresses[@]})) || fail "cannot offer a GPU: nvidia-smi lists none outside of MIG mode"

list=$(printf ', "%s"' "${addresses[@]}")
echo "{\"name\": \"gpu\", \"addresses\": [${list:2}]}"
