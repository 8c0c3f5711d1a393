#!/bin/sh
# Latency and bandwidth between two hosts, then all-reduce over all their cores' ranks; one result each.
# usage: two-hosts.sh HOST1 HOST2 [RANKS_PER_HOST]
set -eu
first=$1 second=$2 each=${3:-2}
mpirun -n 2 -H "$first,$second" wiremark run latency bandwidth --output pair.json
mpirun -n $((2 * each)) -H "$first:$each,$second:$each" wiremark run allreduce alltoall --algo all --output collectives.json
