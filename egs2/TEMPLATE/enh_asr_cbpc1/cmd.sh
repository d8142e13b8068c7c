# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced: where jobs run. Empty means on this machine. Else a submitter with its options,
# which is called as
#   ${train_cmd} [--gpu <n>] [JOB=1:<nj>] <log file> <command ...>
# SLURM, by way of submitit (pip install 'espnet-cbpc[slurm]'; see --help):
#   export train_cmd="python -m espnet_cbpc.bin.submit --partition gpu --mem 16G --num_threads 4"
#   export OMP_NUM_THREADS=4
# Kaldi's job wrappers, where a site has them:
#   export train_cmd="slurm.pl --mem 8G"
export train_cmd="${train_cmd:-}"
