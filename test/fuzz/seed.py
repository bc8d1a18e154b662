# SPDX-License-Identifier: Apache-2.0
"""Writes a sound request for each verb, with answers of dmsetup, into a folder: seed.py FOLDER"""
import pathlib
import struct
import sys

MODULE, DM_USER, ADOPT, FUSE_LOOP = range(4)
DEVICES = (
    "254\t0\t1\tL--w\tBIOSCOPE-1000-a\tbioscope-1000-a\n"
    "254\t1\t0\tL-sr\t\tby-hand\n"
    "254\t2\t0\t---w\tBIOSCOPE-1001-a\tbioscope-1001-a\n"
)
STATUS = "0 2048 user 0 0 1 5 0 0 0 0 0 ready\n"
TABLE = "0 2048 user 0 2048 by-hand\n"


def request(verb, name="", sectors=0, flags=0, count=0, handle=0, label=""):
    return struct.pack(
        "=QQIIIIII256s64sQ",
        1, sectors, 1, verb, flags, count, handle, 0, name.encode(), label.encode(), 0,
    )


def answers(*texts, words="", status=0):
    return b"".join(
        text.encode() + b"\0" + words.encode() + b"\0" + bytes([status]) for text in texts
    )


new = DEVICES.replace("-a\t", "-b\t").replace("000-a\n", "000-b\n")
seeds = {
    "module": (MODULE, request(2), answers("")),
    "create": (DM_USER, request(10, "b", 2048, 7), answers(DEVICES, "", new, STATUS)),
    "open": (DM_USER, request(11, "a", count=2), answers(DEVICES)),
    "suspend": (DM_USER, request(12, "a", flags=8), answers("")),
    "resume": (DM_USER, request(13, "a"), answers("")),
    "reload": (DM_USER, request(14, "a", 4096, 2), answers("")),
    "abort": (DM_USER, request(15, "a"), answers("")),
    "status": (DM_USER, request(16, "a"), answers(DEVICES, STATUS)),
    "remove": (DM_USER, request(17, "a", flags=16), answers(DEVICES, "")),
    "list": (DM_USER, request(18), answers(DEVICES, STATUS)),
    "foreign-list": (ADOPT, request(20), answers(DEVICES, TABLE, STATUS)),
    "foreign-open": (ADOPT, request(21, "by-hand", count=1), answers(DEVICES, TABLE)),
    "attach": (FUSE_LOOP, request(32, "a.img", handle=1, label="bioscope:d1:0f"), b""),
    "loop-status": (FUSE_LOOP, request(33, "/dev/loop3"), b""),
    "detach": (FUSE_LOOP, request(34, "/dev/loop3", flags=32), b""),
}
folder = pathlib.Path(sys.argv[1])
for name, (group, body, said) in seeds.items():
    (folder / f"seed-{name}").write_bytes(bytes([group]) + body + said)
