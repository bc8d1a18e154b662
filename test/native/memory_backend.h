// SPDX-License-Identifier: Apache-2.0
// A backend in memory that notes what it is asked, can be made to fail, and can
// be held, so that a test decides what is slow.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "../../native/engine/backend.h"
#include "../../native/engine/racing_copy.h"

namespace bioscope_test
{

class MemoryBackend final : public bioscope::Backend
{
public:
	explicit MemoryBackend(uint64_t size) : bytes_(size) {}

	uint64_t size() const override { return bytes_.size(); }
	bool read_only() const override { return false; }

	int read(uint64_t offset, std::span<std::byte> into) override
	{
		std::lock_guard lock(mutex_);
		if (read_error != 0)
			return read_error;
		bioscope::racing_copy(into.data(), bytes_.data() + offset, into.size());
		return 0;
	}
	std::span<const std::byte> view(uint64_t offset, uint64_t length) override
	{
		if (!instead.empty())
			return instead.first(length);
		if (!lends)
			return {};
		return {bytes_.data() + offset, length};
	}
	bool has_view(uint64_t, uint64_t) const override { return lends; }
	int write(uint64_t offset, std::span<const std::byte> from) override
	{
		std::lock_guard lock(mutex_);
		if (write_error != 0)
			return write_error;
		calls_.push_back("write");
		// Who was lent this may be looking.
		bioscope::racing_copy(bytes_.data() + offset, from.data(), from.size());
		return 0;
	}
	int flush() override
	{
		std::unique_lock lock(mutex_);
		held_now_++;
		changed_.notify_all();
		changed_.wait(lock, [&] { return !held_; });
		held_now_--;
		calls_.push_back("flush");
		return 0;
	}
	int discard(uint64_t offset, uint64_t length) override
	{
		return zero("discard", offset, length);
	}
	int write_zeroes(uint64_t offset, uint64_t length, bool keep_allocated) override
	{
		return zero(keep_allocated ? "zeroes, kept" : "zeroes", offset, length);
	}

	// Flushes wait from now on, until let_go().
	void hold_flushes()
	{
		std::lock_guard lock(mutex_);
		held_ = true;
	}
	void let_go()
	{
		std::lock_guard lock(mutex_);
		held_ = false;
		changed_.notify_all();
	}
	void wait_until_held()
	{
		std::unique_lock lock(mutex_);
		changed_.wait(lock, [&] { return held_now_ > 0; });
	}
	std::vector<std::string> calls() const
	{
		std::lock_guard lock(mutex_);
		return calls_;
	}
	std::vector<std::byte> bytes(uint64_t offset, size_t length) const
	{
		std::lock_guard lock(mutex_);
		return {bytes_.begin() + static_cast<ptrdiff_t>(offset),
			bytes_.begin() + static_cast<ptrdiff_t>(offset + length)};
	}

	std::atomic<int> read_error{0};
	std::atomic<int> write_error{0};
	std::atomic<bool> lends{false};       // what it has, instead of copies
	std::span<const std::byte> instead{}; // of that; set before the first request

private:
	int zero(const char *call, uint64_t offset, uint64_t length)
	{
		std::lock_guard lock(mutex_);
		calls_.push_back(call);
		std::fill_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), length, std::byte{0});
		return 0;
	}

	mutable std::mutex mutex_;
	std::condition_variable changed_;
	std::vector<std::byte> bytes_;
	std::vector<std::string> calls_;
	bool held_ = false;
	int held_now_ = 0;
};

} // namespace bioscope_test
