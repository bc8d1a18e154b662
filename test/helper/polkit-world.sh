# SPDX-License-Identifier: Apache-2.0
# Run by polkit-world.ts in a mount namespace of its own: a system in which the helper
# may be installed, users made and polkit's rules written, and nothing of it stays.
#
#   polkit-world.sh DIRECTORY INSTALLER
#
# DIRECTORY is empty and the tests' own. "ready" appears in it once D-Bus listens.
set -eu
directory=$1
installer=$2

place() { # a tmpfs over a folder, with what the folder has
  mkdir "$directory/$1"
  mount -t tmpfs -o mode=755 tmpfs "$directory/$1"
  [ "$3" = empty ] || cp -a "$2/." "$directory/$1/"
  mount --bind "$directory/$1" "$2"
}
place etc /etc copy
place libexec /usr/local/libexec empty
place actions /usr/share/polkit-1/actions copy
place run /run empty

# As udev makes it; a machine without udev has it for root alone.
mknod "$directory/run/fuse" c 10 229
chmod 666 "$directory/run/fuse"
mount --bind "$directory/run/fuse" /dev/fuse

useradd --no-create-home --shell /bin/sh bioscope-user
useradd --no-create-home --shell /bin/sh bioscope-admin
echo 'bioscope-admin:correct horse' | chpasswd
# The verdict is read anew for each question: polkitd notices new rules when it likes.
echo ask > /run/verdict
mkdir -p /etc/polkit-1/rules.d
cat > /etc/polkit-1/rules.d/01-bioscope-test.rules <<'RULES'
polkit.addAdminRule(function () { return ['unix-user:bioscope-admin']; });
polkit.addRule(function (action, subject) {
  if (action.id.indexOf('dev.bioscope.helper.') !== 0) return undefined;
  if (subject.user !== 'bioscope-user') return polkit.Result.NO;
  var verdict = polkit.spawn(['/bin/cat', '/run/verdict']).trim();
  if (verdict === 'ask') return undefined;
  return verdict === 'yes' ? polkit.Result.YES : polkit.Result.NO;
});
RULES
chmod 755 /etc/polkit-1/rules.d
chmod 644 /etc/polkit-1/rules.d/*
sh "$installer"

mkdir /run/dbus
dbus-daemon --system --nofork --nopidfile &
bus=$!
trap 'kill "$bus" ${polkit-} ${sleep-} 2> /dev/null || true; wait' TERM
while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.1; done
/usr/lib/polkit-1/polkitd --no-debug &
polkit=$!
# Asking polkit itself would have D-Bus start another one.
owned() {
  dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
    org.freedesktop.DBus.NameHasOwner string:org.freedesktop.PolicyKit1 | grep -q true
}
until owned; do sleep 0.1; done
pkaction --action-id dev.bioscope.helper.fuse-loop > /dev/null
: > "$directory/ready"
sleep 3600 &
sleep=$!
wait "$sleep" || true
