/** What `bioscope help` prints. */
export const helpText = `usage: bioscope COMMAND [OPTION]... [ARGUMENT]...

Turns disk images into block devices and shows every block I/O.

  attach [-r|--read-only] [--route dm-user|fuse-loop] [--force] [--json] IMAGE...
        Make each IMAGE (a raw image file or a block device) a block device and
        print its path, one a line. An ordinary user gets a FUSE file instead.
        Nothing is ever mounted. Without --route the best that works here is
        taken ("bioscope doctor"). A capture is refused, unless with --force. --json prints one
        object a line.
  list [--json]
        The attached disks, and those that failed. --json prints one object a
        line, and nothing when there are none.
  detach [--all] [--deferred] DISK|IMAGE|DEVICE...
        Flush and detach. Refuses while a disk is mounted or in use, and names
        the user; with --deferred (dm-user) it goes with its last user instead.
        A failed disk is forgotten.
  record -o FILE [--payloads none|writes|all] [--for TIME] [--last N|TIME]
         [--force] [--json] DISK|IMAGE|DEVICE
        Record the requests of a disk into the capture FILE until Ctrl-C, for TIME
        (10s, 5m, 1h), or only the last N requests (or TIME) that are kept. With
        --payloads the bytes that were written, or all, as well. What the disk of
        FILE was too slow for is counted, never held up. --force replaces FILE.
  trace [--json] [-f|--filter FILTER] [--count N] CAPTURE
        Print the requests of a capture.
  trace [--json] [--disk DISK|IMAGE|DEVICE] [--count N] [--from oldest|newest]
        [--no-follow] [-f|--filter FILTER]
        Print the requests of all disks (or of one): what is kept of the past,
        then live until Ctrl-C. Disks attached later join in. --json prints one
        object a line, 64-bit numbers as decimal strings; "type" is request,
        lost, gone, gap (nobody served meanwhile), attached or ended. --from newest
        leaves out the past, --no-follow the future. --count ends after N requests.
        --filter prints those alone that pass, in the language of the window:
        'op == write && len >= 64K', 'latency > 5ms', 'sector in 2048..4095',
        'result != ok', 'write fua', 'payload contains 53 ef' (as long as the daemon
        keeps the payload; "gone" tells how many it does not).
  export --format FORMAT -o FILE [--force] CAPTURE
        Write a capture for other programs. FORMAT: iolog (fio does the requests
        again), blktrace (for blkparse and btt), log-writes (as dm-log-writes has
        it; needs the payloads of writes), perfetto, csv, json.
  import -o FILE [--force] NAME
        Make a capture of what blktrace saved in NAME.blktrace.0 and so on.
  resize DISK|IMAGE|DEVICE
        Give the device the size that its image has now (dm-user).
  abort DISK|IMAGE|DEVICE
        Fail every request that waits for an answer (dm-user); works also where no
        daemon can be started, and then knows NAME in /dev/mapper/NAME as well.
  adopt [-r|--read-only] NAME IMAGE
        Serve the dm-user target NAME from IMAGE: one made by hand with dmsetup, or
        one that a daemon has left behind ("bioscope doctor" names it).
  doctor [--json]
        What works on this machine, what is in the way, and what mends it.
  daemon status | daemon restart | daemon stop [--all]
        Who serves the disks; let a new daemon take over while they are in use
        (dm-user); end it (with --all detach its disks first).
  demo [-r|--read-only] [IMAGE...]
        Attach the IMAGEs, or a small disk made for it with a file system that is
        put to light work, and print the trace until Ctrl-C, which detaches.
        It mounts its own disk (as root, where nobody else sees it); IMAGEs it
        never mounts.
  help, --version

Exit status: 0 done, 1 failed, 2 wrong usage.

Environment: BIOSCOPE_RUNTIME_DIRECTORY (where the daemon keeps its socket and
traces), BIOSCOPE_PAYLOAD_MIB (payload kept a disk, 64), BIOSCOPE_TRACE_RECORDS
(records kept an engine thread, 65536), BIOSCOPE_THREADS (engine threads a disk:
4; on dm-user two a channel, and a channel for every two processors, two at most);
the last three when the daemon starts.`;
