// SPDX-License-Identifier: Apache-2.0
// The addon's exports: app/addon/addon.ts is their contract.
#include <napi.h>

#include <cstring>
#include <string>

#include "../engine/serving_thread.h"
#include "../wire/trace.h"
#include "columns_object.h"
#include "convert.h"
#include "disk_object.h"
#include "helper_socket.h"
#include "lock_file.h"
#include "payload_object.h"
#include "privileged.h"
#include "records_object.h"
#include "trace_object.h"

// memoryPromise()
static Napi::Value memory_promise(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	bioscope::MemoryPromise promise = bioscope::memory_promise();
	auto name = [&](int error) -> Napi::Value {
		if (error == 0)
			return env.Null();
		const char *text = strerrorname_np(error);
		return Napi::String::New(env, text ? text : std::to_string(error));
	};
	Napi::Object result = Napi::Object::New(env);
	result.Set("ioFlusher", name(promise.io_flusher));
	result.Set("locked", name(promise.locked));
	return result;
}

// lockCode()
static Napi::Value lock_code(const Napi::CallbackInfo &info)
{
	auto work = []() -> bioscope::Done {
		bioscope::lock_code();
		return {};
	};
	return bioscope::Task<bioscope::Done>::run(info.Env(), work, bioscope::undefined);
}

static Napi::Object initialize(Napi::Env env, Napi::Object exports)
{
	using namespace bioscope;
	auto add = [&](const char *name, Napi::Value (*function)(const Napi::CallbackInfo &)) {
		exports.Set(name, Napi::Function::New(env, function, name));
	};
	DiskObject::define(env);
	exports.Set("traceVersion", Napi::Number::New(env, BIOSCOPE_TRACE_VERSION));
	add("openDisk", DiskObject::open);
	add("letGoOfImages", DiskObject::let_go_of_images);
	add("openTrace", open_trace);
	add("openPayloads", open_payloads);
	add("crc32c", checksum);
	add("makeColumnPacker", make_column_packer);
	add("makeRecordPacker", make_record_packer);
	add("memoryPromise", ::memory_promise);
	add("lockCode", ::lock_code);
	add("lockFile", lock_file);
	add("unlockFile", unlock_file);
	add("openHelperSocket", open_helper_socket);
	add("mountFuse", mount_fuse);
	add("unmountLazily", unmount_lazily);
	add("attachLoop", attach_loop);
	add("loopStatus", loop_status);
	add("detachLoop", detach_loop);
	return exports;
}

NODE_API_MODULE(bioscope, initialize)
