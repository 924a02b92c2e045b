"""The keys of `--slurm`: our own, and the long options of sbatch that a user may set (Slurm 20.11 to 24.11)."""

from __future__ import annotations

from collections.abc import Mapping

from ....plan.job_settings import SHORT

OUR_NAMES: Mapping[str, str] = {short: name for name, short in SHORT.items()}
SUBMISSION = ("parallel", "smoke", "follow-up")  # ours; they are for a submission as a whole
OURS = (*OUR_NAMES, *SUBMISSION, "oom-mem", "setup")

FLAGS = frozenset(("contiguous", "hold", "overcommit", "oversubscribe", "reboot", "requeue", "spread-job"))
FLAGS |= {"use-min-nodes"}
OPTIONAL = frozenset(("exclusive", "get-user-env", "nice", "no-kill", "propagate"))  # with or without a value
WITH_VALUE = """
    account acctg-freq batch bb bbf begin chdir cluster-constraint clusters comment constraint container container-id
    core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency distribution exclude
    export export-file extra extra-node-info gid gpu-bind gpu-freq gpus-per-node gpus-per-socket gpus-per-task gres
    gres-flags hint job-name kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu
    mem-per-gpu mincpus network nodefile nodelist ntasks-per-core ntasks-per-socket oom-kill-step partition power prefer
    priority profile qos reservation resv-ports segment sockets-per-node switches thread-spec threads-per-core time
    time-min tmp tres-bind tres-per-job tres-per-task uid wait-all-nodes wckey
"""
KNOWN = frozenset((*OURS, *FLAGS, *OPTIONAL, *WITH_VALUE.split()))

SET_BY_US = """
    array error input nodes no-requeue ntasks ntasks-per-gpu ntasks-per-node open-mode output parsable quiet signal
    test-only verbose wait wrap
"""
"""Options that the launcher sets or depends on."""
