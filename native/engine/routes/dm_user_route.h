// SPDX-License-Identifier: Apache-2.0
// The dm-user route: the channels of one target.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../disk.h"
#include "dm_user_channel.h"
#include "route.h"

namespace bioscope
{

struct DmUserRouteOptions {
	// Open descriptors of /dev/dm-user/<name>, one a channel; the route's own from the
	// constructor on. Each needs two workers of the disk.
	std::vector<int> channels;
	// Called once, when the last channel has ended: empty when the target is gone or
	// the route was stopped, else what went wrong first.
	std::function<void(const std::string &)> on_end;
	// Nothing is read before go(): another engine serves the target still.
	bool waits = false;
};

// A channel that fails is closed, so that the kernel hands its requests to the
// others; the route lives as long as one channel does.
class DmUserRoute final : public Route
{
public:
	// Throws Error EINVAL for no channels, or more than the disk has workers for;
	// the descriptors are closed then.
	DmUserRoute(Disk &disk, DmUserRouteOptions options);
	~DmUserRoute() override;
	DmUserRoute(const DmUserRoute &) = delete;
	DmUserRoute &operator=(const DmUserRoute &) = delete;

	void start() override;
	// Lets the channels read. After start(). Any thread.
	void go();
	// Every request that has wholly arrived is answered; the rest goes back to the
	// kernel's queue as the descriptors are closed, for whoever opens a channel next.
	void stop() override;

private:
	void channel_ended(const ChannelEnd &end);

	std::function<void(const std::string &)> on_end_;
	const bool waits_;
	std::vector<std::unique_ptr<DmUserChannel>> channels_;
	std::mutex stopping_; // held by the one that starts or ends the channels
	std::mutex mutex_;    // guards what follows
	size_t running_ = 0;
	std::string failure_;
};

} // namespace bioscope
