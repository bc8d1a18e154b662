/* SPDX-License-Identifier: Apache-2.0 */
/* Loop devices: attach, look at, detach. */
#define _GNU_SOURCE
#include "verbs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* Others take free devices, too: how often to ask for another one. */
#define ATTEMPTS 100
#define POLL_MS  5

static int failed(struct bioscope_failure *failure, const char *step, int error)
{
	failure->step = step;
	return error;
}

static void sleep_ms(unsigned milliseconds)
{
	struct timespec time = {.tv_sec = milliseconds / 1000,
				.tv_nsec = (long)(milliseconds % 1000) * 1000000};
	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

/* "/dev/loop" and a number, or -1. */
static int device_number(const char *device)
{
	static const char prefix[] = "/dev/loop";
	if (strncmp(device, prefix, sizeof(prefix) - 1) != 0)
		return -1;
	const char *digits = device + sizeof(prefix) - 1;
	size_t length = strlen(digits);
	if (length == 0 || length > 7)
		return -1;
	int number = 0;
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)digits[i]))
			return -1;
		number = number * 10 + (digits[i] - '0');
	}
	return number;
}

/* Opens a loop device, and nothing else; the fd, or minus an errno. */
static int open_loop(const char *device, int flags)
{
	struct stat status;
	if (device_number(device) < 0)
		return -EINVAL;
	int fd = open(device, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0 || !S_ISBLK(status.st_mode) ||
	    major(status.st_rdev) != LOOP_MAJOR) {
		close(fd);
		return -ENOTBLK;
	}
	return fd;
}

/* For kernels before 5.8, which have no LOOP_CONFIGURE. */
static int configure_in_steps(int loop, const struct loop_config *config, const char **step)
{
	int error = 0;
	*step = "LOOP_SET_FD";
	if (ioctl(loop, LOOP_SET_FD, (unsigned long)config->fd) != 0)
		return errno;
	*step = "LOOP_SET_STATUS64";
	struct loop_info64 info = config->info;
	/* Read-only follows from the file's fd. */
	info.lo_flags &= LO_FLAGS_PARTSCAN | LO_FLAGS_AUTOCLEAR;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		error = ioctl(loop, LOOP_SET_STATUS64, &info) == 0 ? 0 : errno;
		if (error != EAGAIN)
			break;
		sleep_ms(POLL_MS); /* its page cache is not empty yet */
	}
	if (error)
		ioctl(loop, LOOP_CLR_FD);
	return error;
}

static int configure(int loop, const struct loop_config *config, const char **step)
{
	*step = "LOOP_CONFIGURE";
	if (ioctl(loop, LOOP_CONFIGURE, config) != 0) {
		if (errno != ENOTTY && errno != EINVAL)
			return errno;
		return configure_in_steps(loop, config, step);
	}
	return 0;
}

/*
 * One free device: EBUSY when somebody was faster. `held` as for
 * bioscope_attach_loop_file.
 */
static int attach_free(int control, const struct loop_config *config, int *held,
		       char device[BIOSCOPE_LOOP_PATH_BYTES], const char **step)
{
	*step = "LOOP_CTL_GET_FREE";
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	if (number < 0)
		return errno;
	snprintf(device, BIOSCOPE_LOOP_PATH_BYTES, "/dev/loop%d", number);
	*step = "open loop device";
	int loop = -ENOENT;
	/* The node of a device just made may be udev's to create. */
	for (int attempt = 0; loop == -ENOENT && attempt < ATTEMPTS; attempt++) {
		if (attempt > 0)
			sleep_ms(POLL_MS);
		bool read_only = config->info.lo_flags & LO_FLAGS_READ_ONLY;
		loop = open_loop(device, read_only ? O_RDONLY : O_RDWR);
	}
	if (loop < 0)
		return -loop;
	int error = configure(loop, config, step);
	if (!error) {
		/*
		 * Already so after LOOP_CONFIGURE where the file system allows it; a
		 * buffered loop is slower and uses memory twice, but is not wrong.
		 */
		ioctl(loop, LOOP_SET_DIRECT_IO, 1UL);
	}
	if (!error && held != NULL) {
		/* Not for writing: some kernels let nobody mount what is open so. */
		*step = "open loop device";
		*held = open_loop(device, O_RDONLY | O_NONBLOCK);
		if (*held < 0)
			error = -*held;
	}
	close(loop);
	return error;
}

int bioscope_attach_loop_file(int file, bool read_only, const char *label, int *held,
			      char device[BIOSCOPE_LOOP_PATH_BYTES],
			      struct bioscope_failure *failure)
{
	failure->step = NULL;
	device[0] = '\0';
	size_t label_length = strlen(label);
	if (label_length == 0 || label_length >= BIOSCOPE_LOOP_LABEL_BYTES)
		return failed(failure, "label", EINVAL);
	struct stat status;
	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		return failed(failure, "path", EINVAL);
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return failed(failure, "open /dev/loop-control", errno);

	struct loop_config config = {.fd = (unsigned)file, .block_size = 512};
	config.info.lo_flags = LO_FLAGS_DIRECT_IO | LO_FLAGS_PARTSCAN;
	if (read_only)
		config.info.lo_flags |= LO_FLAGS_READ_ONLY;
	if (held != NULL)
		config.info.lo_flags |= LO_FLAGS_AUTOCLEAR;
	memcpy(config.info.lo_file_name, label, label_length + 1);

	const char *step = NULL;
	int error = EBUSY;
	for (int attempt = 0; error == EBUSY && attempt < ATTEMPTS; attempt++)
		error = attach_free(control, &config, held, device, &step);
	close(control);
	if (error) {
		device[0] = '\0';
		return failed(failure, step, error);
	}
	return 0;
}

int bioscope_attach_loop(const char *path, bool read_only, const char *label,
			 char device[BIOSCOPE_LOOP_PATH_BYTES], struct bioscope_failure *failure)
{
	failure->step = NULL;
	device[0] = '\0';
	if (path[0] != '/')
		return failed(failure, "path", EINVAL);
	int file =
	    open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file < 0)
		return failed(failure, "open", errno);
	int error = bioscope_attach_loop_file(file, read_only, label, NULL, device, failure);
	close(file);
	return error;
}

int bioscope_loop_status(const char *device, struct bioscope_loop_state *status,
			 struct bioscope_failure *failure)
{
	failure->step = NULL;
	memset(status, 0, sizeof(*status));
	int loop = open_loop(device, O_RDONLY);
	if (loop < 0)
		return failed(failure, "open", -loop);
	struct loop_info64 info;
	memset(&info, 0, sizeof(info));
	int error = ioctl(loop, LOOP_GET_STATUS64, &info) == 0 ? 0 : errno;
	close(loop);
	if (error)
		return failed(failure, "LOOP_GET_STATUS64", error);
	status->backing_device = info.lo_device;
	status->backing_inode = info.lo_inode;
	memcpy(status->label, info.lo_file_name, sizeof(status->label) - 1);
	status->read_only = info.lo_flags & LO_FLAGS_READ_ONLY;
	status->direct_io = info.lo_flags & LO_FLAGS_DIRECT_IO;
	status->autoclear = info.lo_flags & LO_FLAGS_AUTOCLEAR;
	return 0;
}

/*
 * Whether the device still has a backing file, looked up where it needs no open
 * of the device: an open would itself keep it alive.
 */
static bool configured(int number)
{
	char path[64];
	snprintf(path, sizeof(path), "/sys/block/loop%d/loop/backing_file", number);
	return access(path, F_OK) == 0;
}

/* Whether the device goes at the last close. */
static bool goes_with_last(int loop)
{
	struct loop_info64 info;
	memset(&info, 0, sizeof(info));
	return ioctl(loop, LOOP_GET_STATUS64, &info) == 0 && (info.lo_flags & LO_FLAGS_AUTOCLEAR);
}

/* Takes back what LOOP_CLR_FD promised for the last close. */
static void keep_attached(int loop)
{
	struct loop_info64 info;
	memset(&info, 0, sizeof(info));
	if (ioctl(loop, LOOP_GET_STATUS64, &info) == 0 && (info.lo_flags & LO_FLAGS_AUTOCLEAR)) {
		info.lo_flags &= ~(unsigned)LO_FLAGS_AUTOCLEAR;
		ioctl(loop, LOOP_SET_STATUS64, &info);
	}
}

/* Whether the device is gone within `wait_ms`. */
static bool is_gone(int number, unsigned wait_ms)
{
	for (unsigned waited = 0; configured(number); waited += POLL_MS) {
		if (waited >= wait_ms)
			return false;
		sleep_ms(POLL_MS);
	}
	return true;
}

int bioscope_detach_loop(const char *device, bool force, unsigned wait_ms,
			 struct bioscope_failure *failure)
{
	failure->step = NULL;
	/* O_EXCL is the race-free question whether it is mounted or claimed. */
	int loop = open_loop(device, force ? O_RDONLY : O_RDONLY | O_EXCL);
	if (loop < 0)
		return failed(failure, "open", -loop);
	int number = device_number(device);
	if (!configured(number)) {
		close(loop);
		return failed(failure, "LOOP_CLR_FD", ENXIO);
	}
	if (!force && fsync(loop) != 0) {
		int error = errno;
		close(loop);
		return failed(failure, "fsync", error);
	}
	int error = ioctl(loop, LOOP_CLR_FD) == 0 ? 0 : errno;
	/*
	 * Kernels differ: some clear it now, some when the last fd is closed, and
	 * with other openers all of them only mark it for then.
	 */
	close(loop);
	if (error)
		return failed(failure, "LOOP_CLR_FD", error);
	if (is_gone(number, wait_ms))
		return 0;
	loop = force ? -1 : open_loop(device, O_RDONLY);
	if (loop >= 0) {
		keep_attached(loop);
		close(loop);
	}
	return failed(failure, "wait", EBUSY);
}

bool bioscope_clear_loop(int loop)
{
	struct loop_info64 info;
	(void)ioctl(loop, LOOP_CLR_FD);
	return ioctl(loop, LOOP_GET_STATUS64, &info) != 0 && errno == ENXIO;
}

int bioscope_release_loop(const char *device, int loop, bool force, unsigned wait_ms,
			  struct bioscope_failure *failure)
{
	failure->step = NULL;
	if (!force) {
		int claim = open_loop(device, O_RDONLY | O_EXCL);
		if (claim < 0)
			return failed(failure, "open", -claim);
		int error = fsync(claim) == 0 ? 0 : errno;
		/* Whoever mounts it from here on has it open, and then it is not cleared. */
		close(claim);
		if (error)
			return failed(failure, "fsync", error);
	}
	bool was_going = goes_with_last(loop);
	for (unsigned waited = 0; !bioscope_clear_loop(loop); waited += POLL_MS) {
		if (waited >= wait_ms) {
			if (!force && !was_going)
				keep_attached(loop);
			return failed(failure, "wait", EBUSY);
		}
		sleep_ms(POLL_MS);
	}
	return 0;
}

bool bioscope_loop_is_gone(const char *device, unsigned wait_ms)
{
	return is_gone(device_number(device), wait_ms);
}
