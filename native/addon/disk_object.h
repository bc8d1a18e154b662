// SPDX-License-Identifier: Apache-2.0
// NativeDisk of app/addon/addon.ts.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../engine/backends/raw_file.h"
#include "../engine/disk.h"
#include "../engine/routes/fuse_file.h"

namespace bioscope
{

// What a disk is made of. The route is declared last: it goes first, while disk
// and backend are still there.
struct OpenDisk {
	std::unique_ptr<Disk> disk;
	RawFile *image = nullptr; // the disk's backend
	std::unique_ptr<FuseFile> route;
};

class DiskObject : public Napi::ObjectWrap<DiskObject>
{
public:
	static void define(Napi::Env env);
	// openDisk(options)
	static Napi::Value open(const Napi::CallbackInfo &info);

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
	Napi::Value start_fuse(const Napi::CallbackInfo &info);
	Napi::Value ended(const Napi::CallbackInfo &info);
	Napi::Value counters(const Napi::CallbackInfo &info);
	Napi::Value read_payload(const Napi::CallbackInfo &info);
	Napi::Value read_image(const Napi::CallbackInfo &info);
	Napi::Value flush(const Napi::CallbackInfo &info);
	Napi::Value close(const Napi::CallbackInfo &info);

	// The disk, or a JavaScript Error EBADF once close() was called.
	const std::shared_ptr<OpenDisk> &open_disk(Napi::Env env) const;

	std::shared_ptr<OpenDisk> open_;
	uint64_t size_, tail_;
	bool block_device_;
	std::shared_ptr<Ending> ending_ = std::make_shared<Ending>();
};

} // namespace bioscope
