// SPDX-License-Identifier: Apache-2.0
// What a disk's bytes are kept in. One implementation an image format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bioscope
{

// Every function may be called from any number of engine threads at once and
// may block. Offsets and lengths are in bytes and lie inside [0, size()): the
// engine has checked that. Each returns 0 or a positive errno; EOPNOTSUPP means
// that the backend cannot do the operation at all. A request is done whole or
// fails: short reads and writes are carried on inside.
class Backend
{
public:
	virtual ~Backend() = default;

	// Size of the device: whole sectors.
	virtual uint64_t size() const = 0;
	virtual bool read_only() const = 0;

	virtual int read(uint64_t offset, std::span<std::byte> into) = 0;
	// Where the range lies in memory, for an answer without a copy; empty where it does
	// not. It may be looked at as long as the backend lives, and what it holds changes
	// as the disk does. All of it could be had a moment ago; a page that cannot any more
	// (the image was cut short) is a SIGBUS, or EFAULT of a system call.
	virtual std::span<const std::byte> view(uint64_t, uint64_t) { return {}; }
	// True if view() would most likely not be empty; costs next to nothing.
	virtual bool has_view(uint64_t, uint64_t) const { return false; }
	virtual int write(uint64_t offset, std::span<const std::byte> from) = 0;
	// Everything that completed before the call is on stable storage after it.
	virtual int flush() = 0;
	// The range reads as zeroes afterwards and its blocks may be given back.
	virtual int discard(uint64_t offset, uint64_t length) = 0;
	// The range reads as zeroes afterwards; with `keep_allocated` (NOUNMAP) its
	// blocks stay allocated, so that a later write cannot meet a full disk.
	virtual int write_zeroes(uint64_t offset, uint64_t length, bool keep_allocated) = 0;
};

} // namespace bioscope
