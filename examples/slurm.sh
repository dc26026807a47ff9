#!/bin/bash
# A campaign on a Slurm cluster: an array of runners that share one folder. From the project's folder, or any other in which
# the paths of the campaign file are right:
#
#   sbatch examples/slurm.sh examples/sweep.toml
#
# Each task is the same command. It makes what is free and leaves to others what they make, so no step is made twice; one that is
# killed is replaced by whoever comes next, and a training goes on after its last whole epoch. The folder `out` must lie on a file
# system whose locks reach all nodes (NFS and Lustre as they are usually mounted); another one is refused.
#
# Pushing and benchmarking want the board and the meter: run the same file afterwards where these are, without --to.
#
#SBATCH --job-name=groupnl
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue

set -euo pipefail
campaign=${1:?name a campaign file: sbatch examples/slurm.sh CONFIG.toml}

# A training uses one thread unless [train] threads says more; exports use what they find.
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec "${GROUPNL:-groupnl}" run "$campaign" --to export --workers "${SLURM_CPUS_PER_TASK:-1}"
