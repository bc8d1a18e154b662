// SPDX-License-Identifier: Apache-2.0
#include "channel_port.h"

#include <cerrno>
#include <poll.h>
#include <unistd.h>

namespace bioscope
{

DescriptorPort::DescriptorPort(int read_descriptor, int write_descriptor)
    : read_descriptor_(read_descriptor), write_descriptor_(write_descriptor)
{
}

DescriptorPort::~DescriptorPort()
{
	::close(read_descriptor_);
	if (write_descriptor_ != read_descriptor_)
		::close(write_descriptor_);
}

ssize_t DescriptorPort::read(std::span<std::byte> into)
{
	return ::read(read_descriptor_, into.data(), into.size());
}

ssize_t DescriptorPort::write(std::span<const iovec> from)
{
	if (from.size() == 1) // cheaper than a vector of one
		return ::write(write_descriptor_, from[0].iov_base, from[0].iov_len);
	return ::writev(write_descriptor_, from.data(), static_cast<int>(from.size()));
}

int DescriptorPort::wait(bool for_reading, int milliseconds)
{
	pollfd entry{};
	entry.fd = for_reading ? read_descriptor_ : write_descriptor_;
	entry.events = static_cast<short>(for_reading ? POLLIN : POLLOUT);
	int count = ::poll(&entry, 1, milliseconds);
	if (count < 0)
		return errno;
	// An error or a hang-up also ends the wait: the call that follows says which.
	return count == 0 ? ETIMEDOUT : 0;
}

} // namespace bioscope
