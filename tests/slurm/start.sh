#!/usr/bin/env bash
# Start a Slurm of two nodes that lives in a folder and nowhere else, and print the folder's slurm.conf.
#   start.sh FOLDER [--cpus N] [--grace S] [--mute] [--accounting]
#     FOLDER        short, because it holds Unix sockets. Given again alone, it starts what has died there
#     --cpus N      processors that each node claims to have, 4
#     --grace S     seconds between the SIGTERM and the SIGKILL of a preempted job, 60
#     --mute        a preempted job hears SIGTERM alone, not its own --signal: Slurm's default
#     --accounting  sacct answers, from a database of its own
#     --forget      the controller starts without the state that it had saved: it knows no job
# Needs root and the programs of the packages munge, slurmctld, slurmd and slurm-client; slurmdbd and mariadb-server for
# --accounting. stop.sh ends what this starts.
set -euo pipefail
umask 022

mkdir -p "${1:?usage: start.sh FOLDER [--cpus N] [--grace S] [--mute] [--accounting] [--forget]}"
dir=$(cd "$1" && pwd -P)
shift
conf=$dir/slurm.conf
cpus=4 grace=60 warning=preempt_send_user_signal accounting='' forget=''
[[ ! -e $dir/options ]] || source "$dir/options"
while (($#)); do
    case $1 in
        --cpus) cpus=$2 && shift ;;
        --grace) grace=$2 && shift ;;
        --mute) warning='' ;;
        --accounting) accounting=yes ;;
        --forget) forget=-c ;;
        *) echo "start.sh: unknown option $1" >&2 && exit 2 ;;
    esac
    shift
done
host=$(hostname -s)
mkdir -p "$dir"/{log,munge,pids,spool,state,sql}
declare -p cpus grace warning accounting >"$dir/options"

runs() { # runs NAME: whether the daemon that was launched under this name is there
    local pid
    pid=$(cat "$dir/pids/$1" 2>/dev/null) && cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null | grep -qaF "$dir/"
}

launch() { # launch NAME COMMAND...: run a daemon in the foreground of a session of its own, and note its pid
    local name=$1
    shift
    runs "$name" && return
    setsid "$@" >>"$dir/log/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/pids/$name"
}

until_true() { # until_true COMMAND...: wait for it, three minutes at most: ten clusters may start on two cores
    local end=$((SECONDS + 180))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "start.sh: waited in vain for: $*" >&2
            timeout 5 scontrol show nodes >&2 || true
            tail -n 5 "$dir"/log/* >&2
            exit 1
        fi
        sleep 0.1
    done
}

free_ports() { # free_ports N: ports below the range that outgoing connections are given, and that no folder beside has
    python3 - "$1" "$dir" <<'PY'
import pathlib
import random
import socket
import sys

others = pathlib.Path(sys.argv[2]).parent.glob("slurm-*/ports")
chosen = {int(port) for ports in others for port in ports.read_text().split()}
held = []
while len(held) < int(sys.argv[1]):
    candidate, port = socket.socket(), random.randint(10000, 30000)
    try:
        candidate.bind(("", port))
    except OSError:
        continue
    if port not in chosen:
        held.append(candidate)
print(*(each.getsockname()[1] for each in held))
PY
}

if [[ ! -s $dir/ports ]]; then
    exec 9<"$dir/.." # several clusters start at once, and none listens to its ports yet
    flock 9
    free_ports 4 >"$dir/ports"
    exec 9<&-
fi
read -r controller_port database_port first_port second_port <"$dir/ports"

# munge refuses a key that others can read, and a socket that they can't reach or whose folder they can write to
[[ -s $dir/munge/key ]] || head -c 128 /dev/urandom >"$dir/munge/key"
chmod 400 "$dir/munge/key"
chmod 711 "$dir" "$dir/munge"
launch munged munged --foreground --force --num-threads=1 --key-file="$dir/munge/key" --seed-file="$dir/munge/seed" \
    --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" --log-file="$dir/log/munged.log"
until_true test -S "$dir/munge/socket"

storage=AccountingStorageType=accounting_storage/none
if [[ $accounting ]]; then
    storage="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$database_port
AccountingStoragePass=$dir/munge/socket"
fi

# the controller saves its state some seconds late; after a kill it must not give the ids of jobs that it forgot to others
last_job=$({ sed -n 's/.*JobId=\([0-9]*\).*/\1/p' "$dir/log/slurmctld.out" 2>/dev/null || true; echo 0; } | sort -n | tail -1)

cat >"$conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/state/slurmctld.pid
SlurmdPidFile=$dir/spool/%n.pid
FirstJobId=$((last_job + 1))
# a job that is queued again waits for cred_expire seconds: 120 if nothing is said, 5 at least
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CredType=cred/munge
$storage
# no cgroups, no processor binding, no MPI: runs in any container. A job's memory is looked at every second
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerNode=2000
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
# a higher partition takes the node away: the job hears SIGTERM and its own --signal, and is killed GraceTime later
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
${warning:+SlurmctldParameters=$warning}
JobRequeue=1
KillWait=3
# small, so that a handful of groups needs several arrays
MaxArraySize=3
SlurmctldTimeout=10
# until a node that does not answer is down
SlurmdTimeout=15
MessageTimeout=10
ReturnToService=2
# believe what the nodes claim, whatever the machine has
SlurmdParameters=config_overrides
NodeName=one NodeHostname=$host NodeAddr=127.0.0.1 Port=$first_port CPUs=$cpus RealMemory=64000 State=UNKNOWN
NodeName=two NodeHostname=$host NodeAddr=127.0.0.1 Port=$second_port CPUs=$cpus RealMemory=64000 State=UNKNOWN
PartitionName=main Nodes=one Default=YES MaxTime=60
PartitionName=brief Nodes=one MaxTime=2
PartitionName=tight Nodes=one MaxTime=60 DefMemPerNode=64
PartitionName=yielding Nodes=two MaxTime=60 PriorityTier=1 GraceTime=$grace
PartitionName=urgent Nodes=two MaxTime=60 PriorityTier=2 PreemptMode=OFF
CONF

database_answers() { mariadb --no-defaults --socket="$dir/sql/socket" --user=root --execute='select 1'; }
if [[ $accounting ]]; then
    [[ -d $dir/sql/data ]] || mariadb-install-db --no-defaults --user=root --auth-root-authentication-method=normal \
        --skip-test-db --datadir="$dir/sql/data" >"$dir/log/install.out" 2>&1
    launch mariadbd mariadbd --no-defaults --user=root --datadir="$dir/sql/data" --socket="$dir/sql/socket" \
        --skip-networking --pid-file="$dir/sql/pid" --innodb-buffer-pool-size=64M \
        --innodb-flush-log-at-trx-commit=0 --innodb-lock-wait-timeout=900
    until_true database_answers
    cat >"$dir/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$database_port
SlurmUser=root
PidFile=$dir/sql/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageLoc=slurm
StorageUser=root
CONF
    chmod 600 "$dir/slurmdbd.conf"
    launch slurmdbd env MYSQL_UNIX_PORT="$dir/sql/socket" SLURM_CONF="$dir/slurmdbd.conf" slurmdbd -D
fi

export SLURM_CONF=$conf
if [[ $accounting ]]; then
    until_true sacctmgr --noheader show cluster
    sacctmgr --immediate add cluster test >/dev/null 2>&1 || true # there already after a restart
fi
launch_all() {
    launch slurmctld slurmctld -D $forget -f "$conf"
    launch slurmd-one slurmd -D -N one -f "$conf"
    launch slurmd-two slurmd -D -N two -f "$conf"
}

nodes() { timeout 5 sinfo --noheader --Node --format='%N %t' | sort -u; }
answer() { [[ $(nodes | grep -cE ' (idle|mix|alloc|comp)$') == 2 ]]; }
resume() { # a controller that was killed may find a node with a job that it doesn't know
    for node in $(nodes | awk '$2 ~ /^(down|drain|drng|fail)/ { print $1 }'); do
        scontrol update nodename="$node" state=resume || true
    done
}
ready() { # a daemon that was just killed looks alive for a moment, so look again each time
    launch_all
    answer || { resume && sleep 0.5 && false; }
}
until_true ready
echo "$conf"
