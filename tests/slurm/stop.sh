#!/usr/bin/env bash
# End the Slurm that start.sh started in a folder, its jobs first. Fails if something of it is left.
#   stop.sh FOLDER
set -uo pipefail

dir=$(cd "${1:?usage: stop.sh FOLDER}" && pwd -P)
export SLURM_CONF=$dir/slurm.conf

pid_of() { # pid_of NAME: its pid, if that is still the daemon which start.sh started
    local pid
    pid=$(cat "$dir/pids/$1" 2>/dev/null) && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir/" && echo "$pid"
}

gone() { ! pid_of "$1" >/dev/null; }

within() { # within SECONDS COMMAND...: whether it comes true in that time
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

end() { # end NAME: ask, then force
    local pid
    pid=$(pid_of "$1") || return 0
    kill -TERM "$pid"
    within 5 gone "$1" || kill -KILL "$pid"
    within 5 gone "$1" || echo "stop.sh: $1 ($pid) is still there" >&2
}

no_jobs() { [[ -z $(timeout 5 squeue --noheader 2>&1) ]]; }
if pid_of slurmctld >/dev/null; then
    timeout 10 scancel --user=root
    within 20 no_jobs
fi
for name in slurmd slurmctld munged; do end "$name"; done
gone slurmd && gone slurmctld && gone munged
