/* SPDX-License-Identifier: Apache-2.0 */
/* What the helper gives up before it listens to anybody. */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (1ULL << (capability))

/*
 * Mounts, device-mapper, loop devices: SYS_ADMIN. dmsetup makes nodes where there is no
 * udev. The FUSE file is its owner's alone (0600), which root passes with DAC_OVERRIDE.
 */
static const unsigned long long kept_capabilities[] = {
    [GROUP_MODULE] = BIT(CAP_SYS_MODULE),
    [GROUP_DM_USER] = BIT(CAP_SYS_ADMIN) | BIT(CAP_MKNOD) | BIT(CAP_CHOWN),
    [GROUP_ADOPT] = BIT(CAP_SYS_ADMIN),
    [GROUP_FUSE_LOOP] = BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_CHOWN),
};

/* What a helper without a program to run uses; all else is answered with ENOSYS. */
static const int allowed_calls[] = {
    SCMP_SYS(access),        SCMP_SYS(brk),
    SCMP_SYS(clock_gettime), SCMP_SYS(clone),
    SCMP_SYS(clone3),        SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),         SCMP_SYS(close_range),
    SCMP_SYS(connect),       SCMP_SYS(dup),
    SCMP_SYS(dup3),          SCMP_SYS(exit),
    SCMP_SYS(exit_group),    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),    SCMP_SYS(fchownat),
    SCMP_SYS(fcntl),         SCMP_SYS(fork),
    SCMP_SYS(fsconfig),      SCMP_SYS(fsmount),
    SCMP_SYS(fsopen),        SCMP_SYS(fstat),
    SCMP_SYS(fsync),         SCMP_SYS(futex),
    SCMP_SYS(getdents64),    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),     SCMP_SYS(gettid),
    SCMP_SYS(kill),          SCMP_SYS(lseek),
    SCMP_SYS(lstat),         SCMP_SYS(madvise),
    SCMP_SYS(mmap),          SCMP_SYS(mprotect),
    SCMP_SYS(mremap),        SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),     SCMP_SYS(newfstatat),
    SCMP_SYS(open),          SCMP_SYS(openat),
    SCMP_SYS(openat2),       SCMP_SYS(poll),
    SCMP_SYS(ppoll),         SCMP_SYS(prctl),
    SCMP_SYS(read),          SCMP_SYS(recvmsg),
    SCMP_SYS(rseq),          SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),        SCMP_SYS(set_robust_list),
    SCMP_SYS(socket),        SCMP_SYS(socketpair),
    SCMP_SYS(stat),          SCMP_SYS(tgkill),
    SCMP_SYS(uname),         SCMP_SYS(wait4),
    SCMP_SYS(write),         SCMP_SYS(writev),
};

static const unsigned long allowed_controls[] = {
    LOOP_CTL_GET_FREE, LOOP_CONFIGURE,    LOOP_SET_FD,        LOOP_CLR_FD,
    LOOP_SET_STATUS64, LOOP_GET_STATUS64, LOOP_SET_DIRECT_IO,
};

/* What neither dmsetup nor modprobe has any business with. */
static const int refused_calls[] = {
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(bpf),
    SCMP_SYS(chroot),
    SCMP_SYS(fsopen),
    SCMP_SYS(init_module),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kcmp),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(mount),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(pivot_root),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(ptrace),
    SCMP_SYS(reboot),
    SCMP_SYS(request_key),
    SCMP_SYS(setns),
    SCMP_SYS(swapoff),
    SCMP_SYS(swapon),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(finit_module),
};

static void require(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "bioscope-helper: cannot %s: %s\n", what, strerror(errno));
	exit(1);
}

void forget_the_caller(void)
{
	/* Standard descriptors that are closed would be given to the next file opened. */
	for (int fd = 0; fd <= 2; fd++)
		require(fcntl(fd, F_GETFD) >= 0, "use the standard descriptors");
	require(close_range(3, ~0U, 0) == 0, "close inherited descriptors");
	require(clearenv() == 0, "clear the environment");
	require(chdir("/") == 0, "change to /");
	umask(077);
	/* Not among the processes that a terminal's keys reach; it may lead its group already. */
	(void)setsid();
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &action, NULL);
	action.sa_handler = SIG_IGN;
	require(sigaction(SIGPIPE, &action, NULL) == 0, "ignore SIGPIPE");
	require(sigprocmask(SIG_SETMASK, &none, NULL) == 0, "unblock signals");
	struct rlimit limit = {0, 0};
	require(setrlimit(RLIMIT_CORE, &limit) == 0, "forgo core dumps");
	limit = (struct rlimit){2048, 2048};
	require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "limit descriptors");
}

/*
 * Whoever has borrowed a loop device is kept from staying behind on it by this process
 * alone: when memory runs out others go first. Not every container allows it.
 */
static void be_killed_last(void)
{
	int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return;
	(void)!write(file, "-1000", 5);
	close(file);
}

static void drop_capabilities(unsigned long long kept)
{
	for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
	     capability++) {
		if (kept & BIT(capability))
			continue;
		/* The set that programs run by root get theirs from. */
		require(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, "drop capabilities");
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
	    {.effective = (uint32_t)kept, .permitted = (uint32_t)kept},
	    {.effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32)},
	};
	require(syscall(SYS_capset, &header, data) == 0, "drop capabilities");
}

static void filter_system_calls(enum group group)
{
	bool runs_programs = group != GROUP_FUSE_LOOP;
	scmp_filter_ctx filter =
	    seccomp_init(runs_programs ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
	require(filter != NULL, "make a filter of system calls");
	if (runs_programs) {
		for (size_t i = 0; i < sizeof(refused_calls) / sizeof(refused_calls[0]); i++) {
			if (group == GROUP_MODULE && (refused_calls[i] == SCMP_SYS(init_module) ||
						      refused_calls[i] == SCMP_SYS(finit_module)))
				continue;
			errno =
			    -seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused_calls[i], 0);
			require(errno == 0, "refuse a system call");
		}
	} else {
		for (size_t i = 0; i < sizeof(allowed_calls) / sizeof(allowed_calls[0]); i++) {
			errno = -seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
			require(errno == 0, "allow a system call");
		}
		for (size_t i = 0; i < sizeof(allowed_controls) / sizeof(allowed_controls[0]);
		     i++) {
			errno = -seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
						  SCMP_A1(SCMP_CMP_EQ, allowed_controls[i]));
			require(errno == 0, "allow a control call");
		}
	}
	errno = -seccomp_load(filter);
	require(errno == 0, "filter system calls");
	seccomp_release(filter);
}

void confine(enum group group)
{
	if (group == GROUP_FUSE_LOOP)
		be_killed_last();
	drop_capabilities(kept_capabilities[group]);
	require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "set no_new_privs");
	filter_system_calls(group);
}
