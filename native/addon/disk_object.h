// SPDX-License-Identifier: Apache-2.0
// NativeDisk of app/addon/addon.ts.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../engine/backends/raw_file.h"
#include "../engine/disk.h"
#include "../engine/routes/dm_user_route.h"
#include "../engine/routes/route.h"

namespace bioscope
{

// What a disk is made of. The route is declared last: it goes first, while disk
// and backend are still there.
struct OpenDisk {
	std::unique_ptr<Disk> disk;
	RawFile *image = nullptr; // the disk's backend
	std::unique_ptr<Route> route;
	DmUserRoute *waiting = nullptr; // the route, until take_over()
};

class DiskObject : public Napi::ObjectWrap<DiskObject>
{
public:
	static void define(Napi::Env env);
	// openDisk(options)
	static Napi::Value open(const Napi::CallbackInfo &info);

	// letGoOfImages()
	static Napi::Value let_go_of_images(const Napi::CallbackInfo &info);

	// Takes an External of a std::shared_ptr<OpenDisk>; JavaScript cannot call it.
	explicit DiskObject(const Napi::CallbackInfo &info);

private:
	// Those who wait for the route's end. JavaScript thread only.
	struct Ending {
		bool ended = false;
		std::optional<std::string> why;
		std::vector<Napi::Promise::Deferred> waiting;

		void settle(Napi::Env env, const std::string &reason);
	};

	Napi::Value size(const Napi::CallbackInfo &info);
	Napi::Value tail(const Napi::CallbackInfo &info);
	Napi::Value image_kind(const Napi::CallbackInfo &info);
	Napi::Value threads(const Napi::CallbackInfo &info);
	Napi::Value trace_capacity(const Napi::CallbackInfo &info);
	Napi::Value start_fuse(const Napi::CallbackInfo &info);
	Napi::Value start_dm_user(const Napi::CallbackInfo &info);
	Napi::Value take_over(const Napi::CallbackInfo &info);
	Napi::Value present_size(const Napi::CallbackInfo &info);
	Napi::Value take_present_size(const Napi::CallbackInfo &info);
	Napi::Value hand_over(const Napi::CallbackInfo &info);
	Napi::Value ended(const Napi::CallbackInfo &info);
	Napi::Value counters(const Napi::CallbackInfo &info);
	Napi::Value read_payload(const Napi::CallbackInfo &info);
	Napi::Value read_image(const Napi::CallbackInfo &info);
	Napi::Value flush(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	// What a route calls at its end: settles ended(). Unreferenced: waiting for the
	// end of a disk keeps no process alive.
	std::function<void(const std::string &)> on_end(Napi::Env env,
							Napi::ThreadSafeFunction &end);
	// Starts `open->route` off the event loop.
	static Napi::Value start_route(Napi::Env env, std::shared_ptr<OpenDisk> open,
				       Napi::ThreadSafeFunction end);
	// Runs `end` off the event loop; the disk is closed from this call on.
	Napi::Value end_disk(Napi::Env env, std::function<void(std::shared_ptr<OpenDisk>)> end);
	// The disk, or a JavaScript Error EBADF once close() was called.
	const std::shared_ptr<OpenDisk> &open_disk(Napi::Env env) const;

	std::shared_ptr<OpenDisk> open_;
	// Of the image when it was closed.
	uint64_t size_ = 0, tail_ = 0;
	bool block_device_;
	std::shared_ptr<Ending> ending_ = std::make_shared<Ending>();
};

} // namespace bioscope
