#!/usr/bin/env bash
# Makes the PTX that the jar carries from the .cu files of this folder, and prints what each kernel takes on sm_80
# and sm_90: registers, spills, shared memory. Needs nvcc (CUDA 12 or 13).
#
#   build-ptx.sh [FOLDER]   writes to FOLDER instead of the resources, to compare with what is committed
#   build-ptx.sh --report   prints the resources of each kernel and writes nothing
#
# Files whose name ends in _sm90 are for sm_90a only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ ${1:-} == --report ]]; then
  for source in *.cu; do
    targets="sm_80 sm_90"
    [[ $source == *_sm90.cu ]] && targets=sm_90a
    for target in $targets; do
      echo "== $source, $target"
      nvcc -cubin -arch="$target" -O3 -std=c++17 --resource-usage -o /dev/null "$source" 2>&1 |
        awk '/Performance Loss/ { print }
             /Compiling entry function/ { gsub("\047", ""); name = $(NF - 2) }
             /stack frame/ { gsub(/ +/, " "); stack = $0 }
             /Used [0-9]+ registers/ { sub(/.*Used/, "Used"); print "  " name ":" stack "; " $0 }'
    done
  done
  exit
fi

target=${1:-../resources/io/sparsefill/kernels/cuda}
mkdir -p "$target"
for source in *.cu; do
  # Version 8.0, so that drivers from R525 on take it: nothing newer is used, as the unit test that assembles the files
  # with the compiler of CUDA 12.0 shows. The pragma used_bytes_mask is newer, and only a hint. Comments name the
  # compiler's build; without them the files stay the same.
  architecture=compute_80
  [[ $source == *_sm90.cu ]] && architecture=compute_90a
  nvcc -ptx -arch="$architecture" -O3 -std=c++17 -o - "$source" |
    sed -e 's/^\.version .*/.version 8.0/' -e '/\.pragma "used_bytes_mask /d' -e '/^[[:space:]]*\/\//d' -e 's/[[:space:]]*\/\/.*$//' |
    cat -s > "$target/${source%.cu}.ptx"
done
