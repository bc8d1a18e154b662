/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in, a worker process for each, replies out, until the socket ends; then
 * everything that only served this connection is taken back.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* How long a reply may wait for the other side to read. */
#define SEND_MS 10000
/* How long workers may go on once the socket has ended. */
#define GRACE_MS 5000
/* How often loop devices that are to go and that somebody else has open are looked at. */
#define CLEAR_AGAIN_MS 200

struct worker {
	pid_t pid; /* 0: this place is free */
	int socket;
	const struct verb *verb;
	struct bioscope_helper_request request;
	struct held_loop *loop; /* that it detaches, until the server has let go of it; or NULL */
};

struct mount {
	uint32_t handle; /* 0: this place is free */
	int fd;
};

struct server {
	const struct session *session;
	int socket;
	uint32_t last_handle;
	struct worker workers[BIOSCOPE_HELPER_IN_FLIGHT_MOST];
	struct mount mounts[BIOSCOPE_HELPER_MOUNTS_MOST];
	struct held_loop loops[BIOSCOPE_HELPER_LOOPS_MOST];
	uint64_t look_at; /* when those that leave are looked at next, as of now_ms() */
};

/* In a worker: the server's other end. */
static int server_socket = -1;

static void note(const struct server *server, const struct verb *verb,
		 const struct bioscope_helper_request *request,
		 const struct bioscope_helper_reply *reply)
{
	bool changes = verb->number != BIOSCOPE_HELPER_LOOP_STATUS &&
		       verb->number != BIOSCOPE_HELPER_TARGET_STATUS &&
		       verb->number != BIOSCOPE_HELPER_TARGET_LIST;
	if (!changes && reply->error == 0)
		return;
	char name[256];
	const char *named = reply->error == 0 && reply->name[0] ? reply->name : request->name;
	snprintf(name, sizeof(name), "%s", named);
	/* A file may be called anything, and must not write lines of its own into the log. */
	for (char *c = name; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	syslog(LOG_NOTICE, "uid %u, process %d: %s%s%s: %s%s%s", (unsigned)server->session->uid,
	       (int)server->session->asker, verb->name, name[0] ? " " : "", name,
	       reply->error ? strerror((int)reply->error) : "done", reply->error ? " at " : "",
	       reply->error ? reply->step : "");
}

/* Sends one frame with descriptors. 0 or an errno. */
static int send_frame(int socket, const struct bioscope_helper_reply *reply, const int *fds,
		      size_t count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * BIOSCOPE_HELPER_CHANNELS_MOST)];
	} control = {0};
	struct iovec part = {.iov_base = (void *)reply, .iov_len = sizeof(*reply)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
	}
	for (;;) {
		if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno;
		struct pollfd writable = {.fd = socket, .events = POLLOUT};
		if (poll(&writable, 1, SEND_MS) == 0)
			return ETIMEDOUT;
	}
}

/* Takes one frame with descriptors: its bytes, 0 at the end, or minus an errno. */
static ssize_t take_frame(int socket, struct bioscope_helper_reply *reply, int *fds, size_t *count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * BIOSCOPE_HELPER_CHANNELS_MOST)];
	} control;
	struct iovec part = {.iov_base = reply, .iov_len = sizeof(*reply)};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	*count = 0;
	ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -errno;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
	     header = CMSG_NXTHDR(&message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		*count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(header), *count * sizeof(int));
	}
	return got;
}

static int answer(const struct server *server, const struct bioscope_helper_request *request,
		  struct bioscope_helper_reply *reply, const int *fds, size_t count)
{
	reply->version = BIOSCOPE_HELPER_VERSION;
	reply->id = request->id;
	reply->verb = request->verb;
	return send_frame(server->socket, reply, fds, count);
}

static int refuse(const struct server *server, const struct bioscope_helper_request *request,
		  const char *step, int error)
{
	struct bioscope_helper_reply reply = {.error = (uint32_t)error};
	snprintf(reply.step, sizeof(reply.step), "%s", step);
	return answer(server, request, &reply, NULL, 0);
}

static struct mount *find_mount(struct server *server, uint32_t handle)
{
	for (size_t i = 0; i < BIOSCOPE_HELPER_MOUNTS_MOST; i++)
		if (server->mounts[i].handle == handle)
			return &server->mounts[i];
	return NULL;
}

static struct worker *find_worker(struct server *server, pid_t pid)
{
	for (size_t i = 0; i < BIOSCOPE_HELPER_IN_FLIGHT_MOST; i++)
		if (server->workers[i].pid == pid)
			return &server->workers[i];
	return NULL;
}

/* A worker keeps nothing of the server's but what its own verb is about. */
static void keep_own(const struct server *server, const struct work *work)
{
	close(server->socket);
	for (size_t i = 0; i < BIOSCOPE_HELPER_IN_FLIGHT_MOST; i++)
		if (server->workers[i].pid != 0)
			close(server->workers[i].socket);
	for (size_t i = 0; i < BIOSCOPE_HELPER_MOUNTS_MOST; i++)
		if (server->mounts[i].handle != 0 && server->mounts[i].fd != work->mount)
			close(server->mounts[i].fd);
	for (size_t i = 0; i < BIOSCOPE_HELPER_LOOPS_MOST; i++)
		if (server->loops[i].device[0] && server->loops[i].fd != work->loop)
			close(server->loops[i].fd);
}

static int send_row(const struct work *work)
{
	return send_frame(server_socket, &work->reply, NULL, 0);
}

/* A frame of one byte to the server, and one back (take_reply). */
static void let_go(const struct work *work)
{
	char byte = 0;
	(void)work;
	if (write(server_socket, &byte, 1) == 1)
		while (read(server_socket, &byte, 1) < 0 && errno == EINTR)
			;
}

static void run_worker(const struct server *server, const struct verb *verb, struct work *work,
		       int socket)
{
	server_socket = socket;
	keep_own(server, work);
	work->send_row = send_row;
	work->let_go = let_go;
	int error = verb->work(work);
	work->reply.error = (uint32_t)error;
	/* A new loop device is the server's to keep, channels are the client's. */
	bool made = verb->number == BIOSCOPE_HELPER_LOOP_ATTACH && !error;
	const int *fds = made ? &work->loop : work->fds;
	size_t count = made ? 1 : verb->counts && !error ? work->reply.count : 0;
	_exit(send_frame(socket, &work->reply, fds, count) == 0 ? 0 : 1);
}

/* Places that are taken, or will be when what is under way has come to its end. */
static bool has_room_for_loop(const struct server *server)
{
	size_t places = count_loops(server->loops);
	for (size_t i = 0; i < BIOSCOPE_HELPER_IN_FLIGHT_MOST; i++)
		places += server->workers[i].pid != 0 &&
			  server->workers[i].verb->number == BIOSCOPE_HELPER_LOOP_ATTACH;
	return places < BIOSCOPE_HELPER_LOOPS_MOST;
}

static int start_worker(struct server *server, const struct verb *verb,
			const struct bioscope_helper_request *request)
{
	struct work work = {
	    .session = server->session, .request = *request, .mount = -1, .loop = -1};
	struct worker *worker = find_worker(server, 0);
	if (worker == NULL)
		return refuse(server, request, "too many at a time", EAGAIN);
	if (verb->on_mount)
		work.mount = find_mount(server, request->handle)->fd;
	struct held_loop *loop = NULL;
	if (verb->number == BIOSCOPE_HELPER_LOOP_DETACH)
		loop = find_loop(server->loops, request->name);
	if (verb->number == BIOSCOPE_HELPER_LOOP_ATTACH && !has_room_for_loop(server))
		return refuse(server, request, "too many loop devices", EDQUOT);
	if (loop != NULL && loop->detaching)
		return refuse(server, request, "another detach", EBUSY);
	if (loop != NULL)
		work.loop = loop->fd;
	/* What leaves is not lent again. */
	if (loop != NULL && loop->leaving)
		work.request.flags |= BIOSCOPE_HELPER_FORCE;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return refuse(server, request, "socketpair", errno);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run_worker(server, verb, &work, ends[1]);
	}
	int error = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return refuse(server, request, "fork", error);
	}
	*worker = (struct worker){
	    .pid = pid, .socket = ends[0], .verb = verb, .request = *request, .loop = loop};
	if (loop != NULL)
		loop->detaching = true;
	return 0;
}

static int mount_for(struct server *server, const struct verb *verb,
		     const struct bioscope_helper_request *request)
{
	struct work work = {
	    .session = server->session, .request = *request, .mount = -1, .loop = -1};
	struct mount *mount = find_mount(server, 0);
	if (mount == NULL)
		return refuse(server, request, "too many mounts", EDQUOT);
	int error = fuse_mount(&work);
	work.reply.error = (uint32_t)error;
	if (!error) {
		/* A handle is never used twice, so that an old one cannot mean another mount. */
		*mount = (struct mount){.handle = ++server->last_handle, .fd = work.mount};
		work.reply.handle = mount->handle;
	}
	note(server, verb, request, &work.reply);
	int sent = answer(server, request, &work.reply, work.fds, error ? 0 : 1);
	if (!error)
		close(work.fds[0]);
	return sent;
}

static int unmount_for(struct server *server, const struct verb *verb,
		       const struct bioscope_helper_request *request)
{
	struct mount *mount = find_mount(server, request->handle);
	struct bioscope_helper_reply reply = {0};
	close(mount->fd);
	mount->handle = 0;
	note(server, verb, request, &reply);
	return answer(server, request, &reply, NULL, 0);
}

static int greet(const struct server *server, const struct bioscope_helper_request *request)
{
	struct bioscope_helper_reply reply = {.owner = server->session->uid};
	snprintf(reply.name, sizeof(reply.name), "%s", group_name(server->session->group));
	return answer(server, request, &reply, NULL, 0);
}

/* 0 to go on, else why the connection ends: an errno, or ESHUTDOWN for its own end. */
static int take_request(struct server *server)
{
	struct bioscope_helper_request request;
	struct iovec part = {.iov_base = &request, .iov_len = sizeof(request)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t got = recvmsg(server->socket, &message, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EINTR ? 0 : errno;
	if (got == 0)
		return ESHUTDOWN;
	/* Descriptors are not taken: without room for them the kernel has closed them. */
	if (got != sizeof(request) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return EPROTO;
	int error = 0;
	const struct verb *verb = check_request(server->session, &request, &error);
	if (verb == NULL) {
		syslog(LOG_WARNING, "uid %u, process %d: a request was refused: verb %u, %s",
		       (unsigned)server->session->uid, (int)server->session->asker, request.verb,
		       strerror(error));
		return error == EPROTO ? EPROTO : refuse(server, &request, "request", error);
	}
	if (verb->on_mount && find_mount(server, request.handle) == NULL)
		return refuse(server, &request, "handle", ENOENT);
	switch (verb->number) {
	case BIOSCOPE_HELPER_HELLO:
		return greet(server, &request);
	case BIOSCOPE_HELPER_FUSE_MOUNT:
		return mount_for(server, verb, &request);
	case BIOSCOPE_HELPER_FUSE_UNMOUNT:
		return unmount_for(server, verb, &request);
	default:
		return start_worker(server, verb, &request);
	}
}

/* One frame of a worker, passed on; the end of the worker if there is none. */
static int take_reply(struct server *server, struct worker *worker)
{
	struct bioscope_helper_reply reply;
	int fds[BIOSCOPE_HELPER_CHANNELS_MOST];
	size_t count = 0;
	ssize_t got = take_frame(worker->socket, &reply, fds, &count);
	if (got == -EINTR)
		return 0;
	if (got == 1 && worker->loop != NULL) {
		/* It is clear. The worker closes it last: that may take a while. */
		drop_loop(worker->loop);
		worker->loop = NULL;
		(void)!write(worker->socket, "", 1);
		return 0;
	}
	bool whole = got == (ssize_t)sizeof(reply);
	if (!whole) {
		/* It died: of a bug, or of something that the kernel did to it. */
		memset(&reply, 0, sizeof(reply));
		reply.error = EIO;
		snprintf(reply.step, sizeof(reply.step), "the helper's worker");
	}
	bool last = !(reply.flags & BIOSCOPE_HELPER_REPLY_MORE);
	if (worker->loop != NULL)
		end_detach(worker->loop, !whole, worker->request.flags & BIOSCOPE_HELPER_FORCE);
	if (worker->verb->number == BIOSCOPE_HELPER_LOOP_ATTACH && count == 1) {
		/* There is a place: has_room_for_loop. */
		keep_loop(server->loops, reply.name, fds[0]);
		count = 0;
	}
	if (last)
		note(server, worker->verb, &worker->request, &reply);
	int sent = answer(server, &worker->request, &reply, fds, count);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	if (last) {
		close(worker->socket);
		while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
			;
		worker->pid = 0;
	}
	/* That ends the connection, and with it goes a device that nobody has heard of. */
	return sent;
}

static uint64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Polls the socket (unless it has ended) and the workers: the errno that ends it, or 0. */
static int turn(struct server *server, bool listening, int timeout)
{
	struct pollfd polled[1 + BIOSCOPE_HELPER_IN_FLIGHT_MOST];
	polled[0] = (struct pollfd){.fd = listening ? server->socket : -1, .events = POLLIN};
	for (size_t i = 0; i < BIOSCOPE_HELPER_IN_FLIGHT_MOST; i++) {
		const struct worker *worker = &server->workers[i];
		polled[1 + i] =
		    (struct pollfd){.fd = worker->pid ? worker->socket : -1, .events = POLLIN};
	}
	if (has_leaving_loops(server->loops)) {
		uint64_t now = now_ms();
		if (now >= server->look_at) {
			clear_leaving_loops(server->loops);
			server->look_at = now + CLEAR_AGAIN_MS;
		}
		if (timeout < 0 || timeout > CLEAR_AGAIN_MS)
			timeout = CLEAR_AGAIN_MS;
	}
	if (poll(polled, 1 + BIOSCOPE_HELPER_IN_FLIGHT_MOST, timeout) < 0)
		return errno == EINTR ? 0 : errno;
	int error = 0;
	for (size_t i = 0; i < BIOSCOPE_HELPER_IN_FLIGHT_MOST; i++)
		if (polled[1 + i].revents) {
			int sent = take_reply(server, &server->workers[i]);
			error = error ? error : sent;
		}
	if (!error && polled[0].revents)
		error = take_request(server);
	return error;
}

static bool has_workers(const struct server *server)
{
	for (size_t i = 0; i < BIOSCOPE_HELPER_IN_FLIGHT_MOST; i++)
		if (server->workers[i].pid != 0)
			return true;
	return false;
}

/* Targets stay, for the next daemon; a mount or a loop device has nobody left to serve it. */
static void clean_up(struct server *server)
{
	give_back_loops(server->loops);
	for (size_t i = 0; i < BIOSCOPE_HELPER_MOUNTS_MOST; i++)
		if (server->mounts[i].handle != 0)
			close(server->mounts[i].fd);
	uint64_t deadline = now_ms() + GRACE_MS;
	while (has_workers(server) && now_ms() < deadline)
		(void)turn(server, false, 100);
	for (size_t i = 0; i < BIOSCOPE_HELPER_IN_FLIGHT_MOST; i++)
		if (server->workers[i].pid != 0)
			kill(server->workers[i].pid, SIGKILL);
	/* Workers may have made some more meanwhile. */
	give_back_loops(server->loops);
	while (!clear_loops(server->loops))
		poll(NULL, 0, CLEAR_AGAIN_MS);
}

void serve(const struct session *session, int socket)
{
	static struct server server;
	server.session = session;
	server.socket = socket;
	int error = 0;
	while (!error)
		error = turn(&server, true, -1);
	if (error != ESHUTDOWN)
		syslog(LOG_WARNING, "uid %u, process %d: the connection ends: %s",
		       (unsigned)session->uid, (int)session->asker, strerror(error));
	/* Nothing can be sent any more, whoever still has the other end. */
	shutdown(socket, SHUT_RDWR);
	clean_up(&server);
}
