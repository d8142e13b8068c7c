# shellcheck shell=bash
# To be sourced: where jobs run. Empty means on this machine. Where a site has Kaldi's job
# wrappers, name one with its options; it is then called as
#   ${train_cmd} [JOB=1:<nj>] <log file> <command ...>
# for example
#   export train_cmd="slurm.pl --mem 8G"
#   export train_cmd="run.pl"
export train_cmd="${train_cmd:-}"
