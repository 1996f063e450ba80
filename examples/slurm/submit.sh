#!/usr/bin/env bash
# Captions images on a Slurm cluster: an array job, one task a part, then a job that joins the parts.
#   submit.sh PARTS IMAGES OUTPUT.jsonl [OPTION of vulcap batch]...
# IMAGES is what `vulcap batch` takes as its input: a folder, a manifest, a tar file. Everything lies where all nodes
# see it. VULCAP names the program; partition, account, GPUs and the like: SBATCH_PARTITION, SBATCH_ACCOUNT,
# SBATCH_GPUS_PER_TASK=1, or the lines at the top of the two scripts.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
parts=$1 images=$2 output=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)

array=$(sbatch --parsable --array="0-$((parts - 1))" "$here/captions.sbatch" "$parts" "$images" "$output" "$@")
merge=$(sbatch --parsable --dependency="afterany:$array" "$here/merge.sbatch" "$parts" "$images" "$output")
echo "array job $array captions, job $merge then joins the parts to $output"
