// SPDX-License-Identifier: Apache-2.0
// The file descriptors of a channel, behind a small seam: a test can play errors
// that only the kernel's own device gives (ENOTBLK).
#pragma once

#include <cstddef>
#include <span>
#include <sys/types.h>
#include <sys/uio.h>

namespace bioscope
{

// As the system calls: -1 and errno on failure. One thread reads; writers take
// turns by themselves. wait() may be called by both.
class ChannelPort
{
public:
	virtual ~ChannelPort() = default;

	virtual ssize_t read(std::span<std::byte> into) = 0;
	virtual ssize_t write(std::span<const iovec> from) = 0;
	// Waits up to `milliseconds` (-1: no limit) until the descriptor can be read
	// (`for_reading`) or written. Returns 0 when it may be, ETIMEDOUT, or an errno.
	virtual int wait(bool for_reading, int milliseconds) = 0;
};

// The real thing. Reads from one descriptor and writes to the other (they may
// be the same) and closes both. Blocking or not, as they were opened.
class DescriptorPort final : public ChannelPort
{
public:
	DescriptorPort(int read_descriptor, int write_descriptor);
	explicit DescriptorPort(int descriptor) : DescriptorPort(descriptor, descriptor) {}
	~DescriptorPort() override;
	DescriptorPort(const DescriptorPort &) = delete;
	DescriptorPort &operator=(const DescriptorPort &) = delete;

	ssize_t read(std::span<std::byte> into) override;
	ssize_t write(std::span<const iovec> from) override;
	int wait(bool for_reading, int milliseconds) override;

private:
	int read_descriptor_;
	int write_descriptor_;
};

} // namespace bioscope
