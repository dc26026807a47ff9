#!/bin/bash
# One training on several machines of a Slurm cluster, one process a GPU. From any folder:
#
#   sbatch examples/slurm_train.sh --model resnet101 --conv groupnl-sparse --dataset imagenet --data /data/imagenet --out net
#
# torchrun starts the processes on every machine and starts all of them again where one is lost; they go on from the last
# saved state, which the first process keeps in OUT.resume: let that lie on a file system that all machines share. Slurm
# sends SIGTERM ahead of the end of the time limit or of a preemption: the step is finished and saved, and the same command
# goes on when the job is queued again.
#
#SBATCH --job-name=groupnl-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue

set -euo pipefail
: "${1:?give what stands behind groupnl train}"

# torchrun keeps one store for all its starts unless it is told not to, and processes that were started again on several
# machines would wait there for those that are gone.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# srun does not take over --cpus-per-task from sbatch (since Slurm 22.05).
exec srun --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-16}" torchrun \
    --nnodes "$SLURM_NNODES" \
    --nproc-per-node "${SLURM_GPUS_ON_NODE:-4}" \
    --max-restarts 3 \
    --rdzv-backend c10d \
    --rdzv-id "$SLURM_JOB_ID" \
    --rdzv-endpoint "$head_node:29400" \
    --no-python "${GROUPNL:-groupnl}" train "$@"
