#!/usr/bin/env bash
# Start a Slurm of one node that lives in a folder and nowhere else, and print the folder's slurm.conf.
#   start.sh FOLDER [CPUS]        FOLDER: short (it holds a Unix socket); CPUS: what the node claims to have, 2
# Needs root and the programs of the packages munge, slurmctld, slurmd and slurm-client. stop.sh ends what this starts.
set -euo pipefail
umask 022

mkdir -p "${1:?usage: start.sh FOLDER [CPUS]}"
dir=$(cd "$1" && pwd -P)
cpus=${2:-2}
conf=$dir/slurm.conf
host=$(hostname -s)
mkdir -p "$dir"/{log,munge,pids,spool,state}

launch() { # launch NAME COMMAND...: run a daemon in the foreground of a session of its own, and note its pid
    local name=$1
    shift
    setsid "$@" >"$dir/log/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/pids/$name"
}

until_true() { # until_true COMMAND...: wait for it, 20 seconds at most
    local end=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "start.sh: waited in vain for: $*" >&2
            tail -n 5 "$dir"/log/* >&2
            exit 1
        fi
        sleep 0.1
    done
}

free_ports() { # two ports below the range that outgoing connections are given
    python3 - <<'PY'
import random
import socket

held = []
while len(held) < 2:
    candidate = socket.socket()
    try:
        candidate.bind(("", random.randint(10000, 30000)))
    except OSError:
        continue
    held.append(candidate)
print(*(each.getsockname()[1] for each in held))
PY
}

# munge refuses a key that others can read, and a socket that they can't reach or whose folder they can write to
head -c 128 /dev/urandom >"$dir/munge/key"
chmod 400 "$dir/munge/key"
chmod 711 "$dir" "$dir/munge"
launch munged munged --foreground --num-threads=1 --key-file="$dir/munge/key" --seed-file="$dir/munge/seed" \
    --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" --log-file="$dir/log/munged.log"
until_true test -S "$dir/munge/socket"

read -r controller_port node_port < <(free_ports)
cat >"$conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/state/slurmctld.pid
SlurmdPidFile=$dir/spool/slurmd.pid
# a job that is queued again waits for cred_expire seconds: 120 if nothing is said, 5 at least
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CredType=cred/munge
# no cgroups, no processor binding, no MPI, no accounting: runs in any container
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
# a higher partition takes the node away: the job hears SIGTERM and its own --signal, and is killed GraceTime later
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
JobRequeue=1
KillWait=3
# small, so that a handful of groups needs several arrays
MaxArraySize=3
SlurmctldTimeout=10
MessageTimeout=10
ReturnToService=2
# believe CPUs=, whatever the machine has
SlurmdParameters=config_overrides
NodeName=node NodeHostname=$host NodeAddr=127.0.0.1 Port=$node_port CPUs=$cpus State=UNKNOWN
PartitionName=main Nodes=node Default=YES MaxTime=60 PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=node MaxTime=60 PriorityTier=2 PreemptMode=OFF
CONF

export SLURM_CONF=$conf
launch slurmctld slurmctld -D -f "$conf"
launch slurmd slurmd -D -N node -f "$conf"
node_is_idle() { [[ $(timeout 5 sinfo --noheader --format=%t | sort -u) == idle ]]; }
until_true node_is_idle
echo "$conf"
