# SPDX-License-Identifier: Apache-2.0
# Runs a program with a /dev/log of the tests' own, in a mount namespace of its own.
#
#   own-log.sh DIRECTORY PROGRAM [ARGUMENT]...
#
# DIRECTORY is the tests' own; the socket in it is called "log".
set -eu
directory=$1
shift
mount -t tmpfs -o mode=755 tmpfs "$directory/dev"
cp -a /dev/null /dev/fuse /dev/loop* "$directory/dev/"
# Nodes of loop devices that are made meanwhile appear in the real /dev alone.
next=$(ls -d /sys/block/loop* | sed 's/.*loop//' | sort -n | tail -1)
for number in $(seq 0 $((${next:-0} + 8))); do
  [ -e "$directory/dev/loop$number" ] || mknod "$directory/dev/loop$number" b 7 "$number"
done
ln -s "$directory/log" "$directory/dev/log"
mount --bind "$directory/dev" /dev
exec "$@"
