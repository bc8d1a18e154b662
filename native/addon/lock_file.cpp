// SPDX-License-Identifier: Apache-2.0
#include "lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>

#include "convert.h"

namespace bioscope
{

// The locks handed out: a number from JavaScript closes no other fd.
static std::mutex held_mutex;
static std::set<int> held;

Napi::Value lock_file(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string path = string_argument(info, 0, "path");
	for (;;) {
		int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			throw make_error(env, errno, "open", path);
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			int error = errno;
			close(fd);
			if (error == EWOULDBLOCK)
				return env.Null();
			throw make_error(env, error, "flock", path);
		}
		// The file may have been removed between the two: a lock on a file that
		// nobody else can find keeps nobody out.
		struct stat locked {
		}, found{};
		if (fstat(fd, &locked) == 0 && stat(path.c_str(), &found) == 0 &&
		    locked.st_dev == found.st_dev && locked.st_ino == found.st_ino) {
			std::lock_guard guard(held_mutex);
			held.insert(fd);
			return Napi::Number::New(env, fd);
		}
		close(fd);
	}
}

Napi::Value unlock_file(const Napi::CallbackInfo &info)
{
	auto fd = static_cast<int>(integer_argument(info, 0, "lock", 0, INT32_MAX));
	std::lock_guard guard(held_mutex);
	if (held.erase(fd) == 0)
		throw make_error(info.Env(), EBADF, "unlockFile", {});
	close(fd);
	return info.Env().Undefined();
}

} // namespace bioscope
