// SPDX-License-Identifier: Apache-2.0
#include "trace_object.h"

#include <cerrno>

#include "../engine/error.h"
#include "convert.h"

namespace bioscope
{

// Runs `body`, turning the engine's exceptions into JavaScript's.
template <typename Body> static auto guarded(Napi::Env env, Body body)
{
	try {
		return body();
	} catch (const Error &error) {
		throw make_error(env, error.code().value(), error.call(), error.path());
	}
}

using Reader = std::shared_ptr<TraceReader>;

// The reader's methods share it; close() takes it away from all of them.
struct Slot {
	Reader reader;

	TraceReader &open(Napi::Env env) const
	{
		if (!reader)
			throw make_error(env, EBADF, "closed trace", {});
		return *reader;
	}
};

static Napi::Value read(const Napi::CallbackInfo &info, TraceReader &reader)
{
	Napi::Env env = info.Env();
	if (!info[0].IsArrayBuffer())
		throw Napi::TypeError::New(env, "'target' must be an ArrayBuffer");
	auto target = info[0].As<Napi::ArrayBuffer>();
	// V8 aligns what an ArrayBuffer points to.
	auto *records = static_cast<bioscope_trace_record *>(target.Data());
	size_t room = target.ByteLength() / sizeof(bioscope_trace_record);
	auto result = guarded(env, [&] { return reader.read({records, room}); });
	Napi::Object answer = Napi::Object::New(env);
	answer.Set("count", Napi::Number::New(env, static_cast<double>(result.count)));
	answer.Set("lost", Napi::BigInt::New(env, result.lost));
	return answer;
}

Napi::Value open_trace(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string path = string_argument(info, 0, "path");
	std::string from = string_argument(info, 1, "from");
	if (from != "oldest" && from != "newest")
		throw Napi::TypeError::New(env, "'from' must be \"oldest\" or \"newest\"");
	auto start = from == "oldest" ? TraceReader::From::oldest : TraceReader::From::newest;
	auto slot = std::make_shared<Slot>();
	slot->reader = guarded(env, [&] { return std::make_shared<TraceReader>(path, start); });

	const bioscope_trace_header &header = slot->reader->header();
	Napi::Object object = Napi::Object::New(env);
	object.Set("diskNumber", Napi::Number::New(env, header.disk));
	object.Set("ringCount", Napi::Number::New(env, header.ring_count));
	object.Set("ringCapacity", Napi::BigInt::New(env, header.ring_capacity));
	object.Set("epochMonotonicNs", Napi::BigInt::New(env, header.epoch_monotonic_ns));
	object.Set("epochRealtimeNs", Napi::BigInt::New(env, header.epoch_realtime_ns));
	object.Set("daemonPid", Napi::Number::New(env, header.daemon_pid));
	auto closed = [slot](const Napi::CallbackInfo &call) -> Napi::Value {
		return Napi::Boolean::New(call.Env(), slot->open(call.Env()).closed());
	};
	object.DefineProperty(
	    Napi::PropertyDescriptor::Accessor(env, object, "closed", closed, napi_enumerable));
	object.Set("read", Napi::Function::New(env, [slot](const Napi::CallbackInfo &call) {
			   return read(call, slot->open(call.Env()));
		   }));
	object.Set("close", Napi::Function::New(
				env, [slot](const Napi::CallbackInfo &) { slot->reader.reset(); }));
	return object;
}

} // namespace bioscope
