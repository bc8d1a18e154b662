// SPDX-License-Identifier: Apache-2.0
#include "dm_user_route.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "../error.h"
#include "../serving_thread.h"

namespace bioscope
{

DmUserRoute::DmUserRoute(Disk &disk, DmUserRouteOptions options)
    : on_end_(std::move(options.on_end)), waits_(options.waits)
{
	std::vector<std::unique_ptr<ChannelPort>> ports;
	for (int descriptor : options.channels)
		ports.push_back(std::make_unique<DescriptorPort>(descriptor));
	if (ports.empty() || ports.size() * 2 > disk.worker_count())
		throw_error(EINVAL, "number of channels");
	for (unsigned index = 0; index < ports.size(); index++)
		channels_.push_back(std::make_unique<DmUserChannel>(disk, 2 * index, 2 * index + 1,
								    std::move(ports[index])));
	lock_code();
	disk.lock_memory();
}

DmUserRoute::~DmUserRoute()
{
	stop();
}

void DmUserRoute::start()
{
	std::lock_guard one_at_a_time(stopping_);
	running_ = channels_.size();
	try {
		for (auto &channel : channels_)
			channel->start([this](const ChannelEnd &end) { channel_ended(end); },
				       waits_);
	} catch (...) {
		// Those that run shall not report the end of a route that never began.
		{
			std::lock_guard lock(mutex_);
			on_end_ = nullptr;
		}
		channels_.clear();
		throw;
	}
}

void DmUserRoute::go()
{
	for (auto &channel : channels_)
		channel->go();
}

void DmUserRoute::stop()
{
	std::lock_guard one_at_a_time(stopping_);
	// All at once: the next engine may be waiting for the last of them.
	for (auto &channel : channels_)
		channel->begin_stop();
	for (auto &channel : channels_)
		channel->stop();
}

void DmUserRoute::channel_ended(const ChannelEnd &end)
{
	std::function<void(const std::string &)> tell;
	std::string failure;
	{
		std::lock_guard lock(mutex_);
		bool expected = end.reason == ChannelEnd::Reason::target_gone ||
				end.reason == ChannelEnd::Reason::stopped;
		if (!expected && failure_.empty())
			failure_ = end.text;
		if (--running_ > 0)
			return;
		tell = on_end_;
		failure = failure_;
	}
	if (tell)
		tell(failure);
}

} // namespace bioscope
