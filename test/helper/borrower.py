# SPDX-License-Identifier: Apache-2.0
# Somebody who was lent a loop device: has it open, asks for its end at the word "clear",
# and keeps it open until its input ends.
#
#   borrower.py DEVICE
import fcntl
import os
import sys

LOOP_CLR_FD = 0x4C01

device = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
for line in sys.stdin:
    if line.strip() == "clear":
        fcntl.ioctl(device, LOOP_CLR_FD)
    print(line.strip(), flush=True)
