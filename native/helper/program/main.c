/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bioscope-helper GROUP: does for an ordinary user's daemon what needs root.
 *
 * Started by pkexec, which has asked polkit for the action of that group, or by
 * root itself. Standard input is the daemon's socket (native/wire/helper.h).
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

__attribute__((noreturn)) static void refuse(const char *reason)
{
	fprintf(stderr, "bioscope-helper: %s\n", reason);
	exit(2);
}

/* The user that pkexec works for, or root when root started this. */
static uid_t find_owner(void)
{
	if (getuid() != 0 || geteuid() != 0)
		refuse("must be started by pkexec, or by root");
	const char *text = getenv("PKEXEC_UID");
	if (text == NULL)
		return 0;
	size_t length = strlen(text);
	if (length == 0 || length > 10 || strspn(text, "0123456789") != length)
		refuse("PKEXEC_UID is not a user's number");
	unsigned long long uid = strtoull(text, NULL, 10);
	if (uid >= UINT32_MAX)
		refuse("PKEXEC_UID is not a user's number");
	return (uid_t)uid;
}

/* The daemon made the socketpair: the kernel noted who that was. */
static struct ucred check_socket(uid_t owner)
{
	int domain = 0, type = 0;
	struct ucred peer;
	socklen_t length = sizeof(domain);
	if (getsockopt(0, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_UNIX)
		refuse("standard input is not the daemon's socket");
	length = sizeof(type);
	if (getsockopt(0, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_SEQPACKET)
		refuse("standard input is not the daemon's socket");
	length = sizeof(peer);
	if (getsockopt(0, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != owner)
		refuse("the daemon's socket belongs to another user");
	return peer;
}

int main(int count, char *arguments[])
{
	struct session session = {.group = count == 2 ? group_of(arguments[1]) : GROUP_ANY};
	if (session.group == GROUP_ANY)
		refuse(
		    "usage: bioscope-helper module|dm-user|adopt|fuse-loop, started by Bioscope");
	session.uid = find_owner();
	forget_the_caller();
	struct ucred peer = check_socket(session.uid);
	session.gid = peer.gid;
	session.asker = peer.pid;
	openlog("bioscope-helper", LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
	confine(session.group);
	int socket = fcntl(0, F_DUPFD_CLOEXEC, 3);
	/* Where its words went is of no more use, and must not be a way to hold it up. */
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (socket < 0 || nothing < 0)
		refuse("/dev/null cannot be opened");
	for (int fd = 0; fd <= 2; fd++)
		if (dup3(nothing, fd, 0) < 0)
			refuse("/dev/null cannot be opened");
	close(nothing);
	syslog(LOG_NOTICE, "uid %u, process %d: started for %s", (unsigned)session.uid,
	       (int)session.asker, arguments[1]);
	if (session.group == GROUP_FUSE_LOOP && session.uid != 0)
		loop_sweep(session.uid);
	serve(&session, socket);
	syslog(LOG_NOTICE, "uid %u, process %d: ended", (unsigned)session.uid, (int)session.asker);
	return 0;
}
