// SPDX-License-Identifier: Apache-2.0
#include "payload_object.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "../engine/checksum.h"
#include "../wire/dm-user.h"
#include "../wire/trace.h"
#include "convert.h"

namespace bioscope
{

using Payloads = std::weak_ptr<PayloadStore>;

// The payloads of the disks of this process, by the path of their trace file. A
// function's own, so that it is there before anything of another file needs it.
struct Published {
	std::mutex mutex;
	std::map<std::string, Payloads> payloads;

	static Published &instance()
	{
		static Published published;
		return published;
	}
};

void publish_payloads(const std::string &trace_path, const std::shared_ptr<PayloadStore> &payloads)
{
	Published &published = Published::instance();
	std::scoped_lock lock(published.mutex);
	std::erase_if(published.payloads, [](const auto &one) { return one.second.expired(); });
	published.payloads[trace_path] = payloads;
}

static bool is_write(uint8_t operation)
{
	return operation == DM_USER_REQUEST_WRITE || operation == DM_USER_REQUEST_WRITE_SAME ||
	       operation == DM_USER_REQUEST_ZONE_APPEND;
}

// read(records, count, which, into, used, lengths): see addon.ts.
static Napi::Value read(const Napi::CallbackInfo &info, const Payloads &payloads)
{
	Napi::Env env = info.Env();
	if (!info[0].IsArrayBuffer() || !info[3].IsArrayBuffer() || !info[5].IsArrayBuffer())
		throw Napi::TypeError::New(env,
					   "'records', 'into' and 'lengths' must be ArrayBuffers");
	auto records = info[0].As<Napi::ArrayBuffer>();
	auto into = info[3].As<Napi::ArrayBuffer>();
	auto lengths = info[5].As<Napi::ArrayBuffer>();
	size_t most = std::min(records.ByteLength() / sizeof(bioscope_trace_record),
			       lengths.ByteLength() / sizeof(int32_t));
	size_t count = integer_argument(info, 1, "count", 0, most);
	bool writes_only = string_argument(info, 2, "which") == "writes";
	size_t used = integer_argument(info, 4, "used", 0, into.ByteLength());

	const auto *from = static_cast<const bioscope_trace_record *>(records.Data());
	auto *length = static_cast<int32_t *>(lengths.Data());
	auto *bytes = static_cast<std::byte *>(into.Data());
	size_t room = into.ByteLength();
	uint32_t gone = 0;
	size_t index = 0;
	// Locked for this call alone: a disk that is closed meanwhile takes its
	// payloads with it.
	std::shared_ptr<PayloadStore> store = payloads.lock();
	for (; index < count; index++) {
		const bioscope_trace_record &record = from[index];
		length[index] = -1;
		if (!(record.marks & BIOSCOPE_MARK_PAYLOAD) ||
		    (writes_only && !is_write(record.operation)))
			continue;
		auto total = store ? store->find(record.sequence) : std::nullopt;
		if (total && *total > room)
			total.reset(); // for no batch: it would never come to an end
		if (total && *total > room - used)
			break; // the rest is for the next batch
		auto copied =
		    total ? store->read(record.sequence, 0, {bytes + used, *total}) : std::nullopt;
		if (!copied) {
			gone++;
			continue;
		}
		length[index] = static_cast<int32_t>(*copied);
		used += *copied;
	}
	Napi::Object result = Napi::Object::New(env);
	result.Set("count", Napi::Number::New(env, static_cast<double>(index)));
	result.Set("used", Napi::Number::New(env, static_cast<double>(used)));
	result.Set("gone", Napi::Number::New(env, gone));
	return result;
}

Napi::Value open_payloads(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string path = string_argument(info, 0, "tracePath");
	Published &published = Published::instance();
	Payloads payloads;
	{
		std::scoped_lock lock(published.mutex);
		auto found = published.payloads.find(path);
		if (found == published.payloads.end() || found->second.expired())
			throw make_error(env, ENOENT, "openPayloads", path);
		payloads = found->second;
	}
	// As long as the function lives: at the latest until its thread ends.
	std::shared_ptr<PayloadStore> store = payloads.lock();
	PayloadStore::Copies copies = store ? store->want_copies() : nullptr;
	Napi::Object object = Napi::Object::New(env);
	object.Set("read",
		   Napi::Function::New(env, [payloads, copies](const Napi::CallbackInfo &call) {
			   return read(call, payloads);
		   }));
	return object;
}

Napi::Value checksum(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	if (!info[0].IsTypedArray() ||
	    info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
		throw Napi::TypeError::New(env, "'bytes' must be a Uint8Array");
	auto bytes = info[0].As<Napi::Uint8Array>();
	auto before = static_cast<uint32_t>(integer_argument(info, 1, "before", 0, UINT32_MAX));
	const auto *start = reinterpret_cast<const std::byte *>(bytes.Data());
	return Napi::Number::New(env, crc32c({start, bytes.ByteLength()}, before));
}

} // namespace bioscope
