/** What `bioscope help` prints. */
export const helpText = `usage: bioscope COMMAND [OPTION]... [ARGUMENT]...

Turns disk images into block devices and shows every block I/O.

  attach [-r|--read-only] [--json] IMAGE...
        Make each IMAGE (a raw image file or a block device) a block device and
        print its path, one a line. An ordinary user gets a FUSE file instead.
        Nothing is ever mounted. --json prints one object a line.
  list [--json]
        The attached disks, and those that failed. --json prints one object a
        line, and nothing when there are none.
  detach [--all] DISK|IMAGE|DEVICE...
        Flush and detach. Refuses while a disk is mounted or in use, and names
        the user. A failed disk is forgotten.
  trace [--json] [--disk DISK|IMAGE|DEVICE] [--count N] [--from oldest|newest]
        [--no-follow]
        Print the requests of all disks (or of one): what is kept of the past,
        then live until Ctrl-C. Disks attached later join in. --json prints one
        object a line, 64-bit numbers as decimal strings; "type" is request,
        lost, attached or ended. --from newest leaves out the past, --no-follow
        the future. --count ends after N requests.
  daemon status | daemon stop [--all]
        Who serves the disks; end it (with --all detach its disks first).
  demo [-r|--read-only] [IMAGE...]
        Attach the IMAGEs, or a small disk made for it with a file system that is
        put to light work, and print the trace until Ctrl-C, which detaches.
        It mounts its own disk (as root, where nobody else sees it); IMAGEs it
        never mounts.
  help, --version

Exit status: 0 done, 1 failed, 2 wrong usage.

Environment: BIOSCOPE_RUNTIME_DIRECTORY (where the daemon keeps its socket and
traces), BIOSCOPE_PAYLOAD_MIB (payload kept a disk, 64), BIOSCOPE_TRACE_RECORDS
(records kept an engine thread, 65536), BIOSCOPE_THREADS (engine threads a disk,
4); the last three when the daemon starts.`;
