# SPDX-License-Identifier: Apache-2.0
"""A polkit authentication agent for one process, with an answer prepared.

    agent.py PID dismiss
    agent.py PID answer USER PASSWORD

Prints "ready" once it is registered, then a line for each question: the action and
its message.
"""
import os
import subprocess
import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

AGENT = "org.freedesktop.PolicyKit1.AuthenticationAgent"
AUTHORITY = "org.freedesktop.PolicyKit1.Authority"
PATH = "/org/bioscope/test/agent"
# Checks the password by PAM and tells polkitd: what every agent uses.
CHECKER = "/usr/lib/polkit-1/polkit-agent-helper-1"


class Agent(dbus.service.Object):
    @dbus.service.method(AGENT, in_signature="sssa{ss}sa(sa{sv})", out_signature="")
    def BeginAuthentication(self, action, message, icon, details, cookie, identities):
        print(action, message, flush=True)
        if sys.argv[2] == "dismiss":
            raise dbus.DBusException(
                "dismissed", name="org.freedesktop.PolicyKit1.Error.Cancelled"
            )
        user, password = sys.argv[3], sys.argv[4]
        subprocess.run(
            [CHECKER, user], input=f"{cookie}\n{password}\n", text=True, capture_output=True
        )

    @dbus.service.method(AGENT, in_signature="s", out_signature="")
    def CancelAuthentication(self, cookie):
        pass


DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
agent = Agent(bus, PATH)
pid = int(sys.argv[1])
with open(f"/proc/{pid}/stat") as stat:
    start = int(stat.read().rsplit(")", 1)[1].split()[19])
subject = (
    "unix-process",
    {"pid": dbus.UInt32(pid), "start-time": dbus.UInt64(start), "uid": dbus.Int32(os.getuid())},
)
authority = bus.get_object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority")
dbus.Interface(authority, AUTHORITY).RegisterAuthenticationAgent(subject, "C", PATH)
print("ready", flush=True)
GLib.MainLoop().run()
