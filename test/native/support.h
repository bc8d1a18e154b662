// SPDX-License-Identifier: Apache-2.0
// What several tests need: directories that go away, small file systems, errors.
#pragma once

#include <doctest/doctest.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../../native/engine/error.h"
#include "../../native/engine/trace_reader.h"

namespace bioscope_test
{

class TemporaryDirectory
{
public:
	TemporaryDirectory()
	{
		std::string path = std::filesystem::temp_directory_path() / "bioscope-test-XXXXXX";
		REQUIRE(mkdtemp(path.data()) != nullptr);
		path_ = path;
	}
	~TemporaryDirectory()
	{
		std::error_code ignored;
		std::filesystem::remove_all(path_, ignored);
	}
	TemporaryDirectory(const TemporaryDirectory &) = delete;
	TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

	std::string operator/(const std::string &name) const { return path_ + "/" + name; }
	const std::string &path() const { return path_; }

private:
	std::string path_;
};

// A tmpfs of a few KiB, to be filled up. Needs root.
class SmallFileSystem
{
public:
	explicit SmallFileSystem(unsigned kilobytes)
	{
		std::string options = "size=" + std::to_string(kilobytes) + "k";
		REQUIRE(mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, options.c_str()) ==
			0);
	}
	~SmallFileSystem() { umount2(directory_.path().c_str(), MNT_DETACH); }
	SmallFileSystem(const SmallFileSystem &) = delete;
	SmallFileSystem &operator=(const SmallFileSystem &) = delete;

	std::string operator/(const std::string &name) const { return directory_ / name; }
	std::string path() const { return directory_.path(); }

private:
	TemporaryDirectory directory_;
};

inline bool is_root()
{
	return geteuid() == 0;
}
inline bool has_fuse()
{
	return is_root() && access("/dev/fuse", R_OK | W_OK) == 0;
}
inline bool has_loop()
{
	return has_fuse() && access("/dev/loop-control", R_OK | W_OK) == 0;
}

// Makes a file of `bytes` bytes, byte i being i * 31 % 251.
inline void make_image(const std::string &path, size_t bytes)
{
	int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	std::vector<unsigned char> content(bytes);
	for (size_t i = 0; i < bytes; i++)
		content[i] = static_cast<unsigned char>(i * 31 % 251);
	REQUIRE(write(fd, content.data(), bytes) == static_cast<ssize_t>(bytes));
	close(fd);
}

inline std::vector<std::byte> pattern(size_t bytes, unsigned seed)
{
	std::vector<std::byte> made(bytes);
	for (size_t i = 0; i < bytes; i++)
		made[i] = static_cast<std::byte>((i * 7 + seed * 13 + i / 253) & 0xff);
	return made;
}

inline std::vector<std::byte> file_bytes(const std::string &path, uint64_t offset, size_t bytes)
{
	int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	std::vector<std::byte> content(bytes);
	REQUIRE(pread(fd, content.data(), bytes, static_cast<off_t>(offset)) ==
		static_cast<ssize_t>(bytes));
	close(fd);
	return content;
}

// The errno of the Error that `body` throws; 0 if it throws none. Its call goes
// to `call`.
template <typename Body> int error_of(Body body, std::string *call = nullptr)
{
	try {
		body();
	} catch (const bioscope::Error &error) {
		if (call)
			*call = error.call();
		return error.code().value();
	}
	return 0;
}

// Every record that the file holds, by sequence; none may be lost.
inline std::vector<bioscope_trace_record> all_records(const std::string &trace_path)
{
	bioscope::TraceReader reader(trace_path, bioscope::TraceReader::From::oldest);
	std::vector<bioscope_trace_record> records(1 << 16);
	auto result = reader.read(records);
	REQUIRE(result.lost == 0);
	records.resize(result.count);
	return records;
}

} // namespace bioscope_test
