#!/usr/bin/env bash
# End the Slurm that start.sh started in a folder, its jobs first. Fails if something of it is left.
#   stop.sh FOLDER
set -uo pipefail

dir=$(cd "${1:?usage: stop.sh FOLDER}" && pwd -P)
export SLURM_CONF=$dir/slurm.conf
daemons=(slurmctld slurmd-one slurmd-two slurmdbd mariadbd munged)

ours() { cat "/proc/$1/cmdline" "/proc/$1/environ" 2>/dev/null | grep -qaF "$dir/"; } # ours PID: names the folder

pid_of() { # pid_of NAME: its pid, if that is still the daemon which start.sh started
    local pid
    pid=$(cat "$dir/pids/$1" 2>/dev/null) && ours "$pid" && echo "$pid"
}

steps() { # the processes that watch over the steps of jobs; they outlive the daemons
    local pid
    for pid in $(pgrep --exact slurmstepd); do
        if ours "$pid"; then echo "$pid"; fi
    done
}

descendants() { # descendants PID: itself last
    local child
    for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do descendants "$child"; done
    echo "$1"
}

within() { # within SECONDS COMMAND...: whether it comes true in that time
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

gone() { ! pid_of "$1" >/dev/null; }

end() { # end NAME: ask, then force
    local pid
    pid=$(pid_of "$1") || return 0
    kill -TERM "$pid"
    within 10 gone "$1" || kill -KILL "$pid"
    within 5 gone "$1" || echo "stop.sh: $1 ($pid) is still there" >&2
}

no_jobs() { [[ -z $(timeout 5 squeue --noheader 2>&1) ]]; }
no_steps() { [[ -z $(steps) ]]; }
if pid_of slurmctld >/dev/null; then
    timeout 10 scancel --full --user=root
    within 20 no_jobs
fi
end slurmctld
end slurmd-one
end slurmd-two
for step in $(steps); do kill -KILL $(descendants "$step") 2>/dev/null; done
within 5 no_steps
for name in slurmdbd mariadbd munged; do end "$name"; done
for name in "${daemons[@]}"; do gone "$name" || exit 1; done
no_steps
