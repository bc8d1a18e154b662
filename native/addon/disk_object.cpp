// SPDX-License-Identifier: Apache-2.0
#include "disk_object.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "../engine/error.h"
#include "../engine/routes/fuse_file.h"
#include "../engine/trace_file.h"
#include "convert.h"
#include "payload_object.h"

namespace bioscope
{

// The most that one call copies: what the contract allows a client to ask for.
static constexpr uint64_t longest_read = 1 << 20;

// Disks that other engines serve now: their traces, and the payloads that are copies, are
// kept until this process ends.
static std::mutex handed_over_mutex;
static std::vector<std::shared_ptr<OpenDisk>> handed_over;

static Napi::Value bigint(Napi::Env env, uint64_t value)
{
	return Napi::BigInt::New(env, value);
}

// The constructor lives with the environment (a worker thread has its own).
struct DiskClass {
	Napi::FunctionReference constructor;
};

void DiskObject::define(Napi::Env env)
{
	using Self = DiskObject;
	Napi::Function constructor = DefineClass(
	    env, "NativeDisk",
	    {InstanceAccessor<&Self::size>("size"), InstanceAccessor<&Self::tail>("tail"),
	     InstanceAccessor<&Self::image_kind>("imageKind"),
	     InstanceAccessor<&Self::threads>("threads"),
	     InstanceAccessor<&Self::trace_capacity>("traceCapacity"),
	     InstanceMethod<&Self::start_fuse>("startFuse"),
	     InstanceMethod<&Self::start_dm_user>("startDmUser"),
	     InstanceMethod<&Self::take_over>("takeOver"),
	     InstanceMethod<&Self::present_size>("presentSize"),
	     InstanceMethod<&Self::take_present_size>("takePresentSize"),
	     InstanceMethod<&Self::hand_over>("handOver"), InstanceMethod<&Self::ended>("ended"),
	     InstanceMethod<&Self::counters>("counters"),
	     InstanceMethod<&Self::read_payload>("readPayload"),
	     InstanceMethod<&Self::read_image>("readImage"), InstanceMethod<&Self::flush>("flush"),
	     InstanceMethod<&Self::close>("close")});
	auto *kept = new DiskClass{Napi::Persistent(constructor)};
	env.SetInstanceData<DiskClass>(kept);
}

Napi::Value DiskObject::open(const Napi::CallbackInfo &info)
{
	Napi::Object from = options_of(info);
	std::string image_path = get_string(from, "imagePath");
	bool read_only = get_boolean(from, "readOnly");
	DiskOptions options;
	options.number = static_cast<uint32_t>(get_integer(from, "number", 0, UINT32_MAX));
	std::string route = get_string(from, "route");
	if (route != "fuse-loop" && route != "dm-user")
		throw Napi::TypeError::New(info.Env(), "'route' must be fuse-loop or dm-user");
	options.route = route == "dm-user" ? BIOSCOPE_ROUTE_DM_USER : BIOSCOPE_ROUTE_FUSE_LOOP;
	options.trace_path = get_string(from, "tracePath");
	options.resume_trace = get_boolean(from, "resumeTrace");
	options.succeeds = from.Has("succeeds") && get_boolean(from, "succeeds");
	if (options.succeeds && (!options.resume_trace || route != "dm-user"))
		throw Napi::TypeError::New(info.Env(),
					   "'succeeds' needs the route dm-user and 'resumeTrace'");
	options.workers = static_cast<unsigned>(get_integer(from, "threads", 1, trace_ring_limit));
	options.ring_capacity = get_integer(from, "ringCapacity", 2, trace_capacity_limit);
	options.payload_limit = get_integer(from, "payloadLimit", 0, 1ULL << 40);
	options.trace = get_boolean(from, "trace");
	if (!trace_capacity_valid(options.ring_capacity))
		throw Napi::TypeError::New(info.Env(), "'ringCapacity' must be a power of two");

	using Open = std::shared_ptr<OpenDisk>;
	auto work = [=]() -> Open {
		auto open = std::make_shared<OpenDisk>();
		std::unique_ptr<RawFile> image =
		    (options.succeeds ? RawFile::open_unlocked : RawFile::open)(image_path,
										read_only);
		open->image = image.get();
		open->disk = std::make_unique<Disk>(std::move(image), options);
		publish_payloads(options.trace_path, {open, &open->disk->payloads()});
		return open;
	};
	auto convert = [](Napi::Env env, Open &open) -> Napi::Value {
		return env.GetInstanceData<DiskClass>()->constructor.New(
		    {Napi::External<Open>::New(env, &open)});
	};
	return Task<Open>::run(info.Env(), work, convert);
}

DiskObject::DiskObject(const Napi::CallbackInfo &info) : Napi::ObjectWrap<DiskObject>(info)
{
	if (info.Length() != 1 || !info[0].IsExternal())
		throw Napi::TypeError::New(info.Env(), "a NativeDisk comes from openDisk()");
	open_ = *info[0].As<Napi::External<std::shared_ptr<OpenDisk>>>().Data();
	block_device_ = open_->image->block_device();
	// A disk ends when it is closed, not when somebody forgets it: a program may
	// be using the device.
	Ref();
}

const std::shared_ptr<OpenDisk> &DiskObject::open_disk(Napi::Env env) const
{
	if (!open_)
		throw make_error(env, EBADF, "closed disk", {});
	return open_;
}

Napi::Value DiskObject::size(const Napi::CallbackInfo &info)
{
	return bigint(info.Env(), open_ ? open_->image->size() : size_);
}

Napi::Value DiskObject::tail(const Napi::CallbackInfo &info)
{
	return bigint(info.Env(), open_ ? open_->image->tail() : tail_);
}

Napi::Value DiskObject::image_kind(const Napi::CallbackInfo &info)
{
	return Napi::String::New(info.Env(), block_device_ ? "block-device" : "file");
}

Napi::Value DiskObject::threads(const Napi::CallbackInfo &info)
{
	return Napi::Number::New(info.Env(), open_disk(info.Env())->disk->worker_count());
}

Napi::Value DiskObject::trace_capacity(const Napi::CallbackInfo &info)
{
	return bigint(info.Env(), open_disk(info.Env())->disk->trace_capacity());
}

void DiskObject::Ending::settle(Napi::Env env, const std::string &reason)
{
	if (!ended) {
		ended = true;
		if (!reason.empty())
			why = reason;
	}
	Napi::Value value = why ? Napi::String::New(env, *why).As<Napi::Value>() : env.Null();
	for (Napi::Promise::Deferred &deferred : waiting)
		deferred.Resolve(value);
	waiting.clear();
}

Napi::Value DiskObject::start_fuse(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::shared_ptr<OpenDisk> open = open_disk(env);
	Napi::Object from = options_of(info);
	FuseFileOptions options;
	if (from.Get("fuse").IsNumber())
		options.fd = static_cast<int>(get_integer(from, "fuse", 3, INT32_MAX));
	else
		options.directory = get_string(from, "fuse");
	options.file_name = get_string(from, "fileName");
	options.owner_uid = static_cast<uid_t>(get_integer(from, "ownerUid", 0, UINT32_MAX));
	options.owner_gid = static_cast<gid_t>(get_integer(from, "ownerGid", 0, UINT32_MAX));
	const std::string &name = options.file_name;
	if (name.empty() || name.size() > 255 || name == "." || name == ".." ||
	    name.find('/') != std::string::npos)
		throw Napi::TypeError::New(env, "'fileName' must be the name of a file");
	if (open->route)
		throw make_error(env, EALREADY, "startFuse", {});
	// takeOver lets a dm-user route alone begin.
	if (open->disk->options().succeeds)
		throw make_error(env, EINVAL, "startFuse", {});

	Napi::ThreadSafeFunction end;
	options.on_end = on_end(env, end);
	open->route = std::make_unique<FuseFile>(*open->disk, std::move(options));
	return start_route(env, std::move(open), end);
}

std::function<void(const std::string &)> DiskObject::on_end(Napi::Env env,
							    Napi::ThreadSafeFunction &end)
{
	end = Napi::ThreadSafeFunction::New(
	    env, Napi::Function::New(env, [](const Napi::CallbackInfo &) {}), "bioscope ended", 0,
	    1);
	end.Unref(env);
	return [end, ending = ending_](const std::string &why) mutable {
		end.NonBlockingCall(
		    [ending, why](Napi::Env on, Napi::Function) { ending->settle(on, why); });
		end.Release();
	};
}

Napi::Value DiskObject::start_route(Napi::Env env, std::shared_ptr<OpenDisk> open,
				    Napi::ThreadSafeFunction end)
{
	auto work = [open = std::move(open), end]() mutable -> Done {
		try {
			open->route->start();
		} catch (...) {
			end.Release(); // on_end will not be called
			throw;
		}
		return {};
	};
	return Task<Done>::run(env, work, undefined);
}

Napi::Value DiskObject::start_dm_user(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::shared_ptr<OpenDisk> open = open_disk(env);
	Napi::Value list = options_of(info).Get("channels");
	if (!list.IsArray())
		throw Napi::TypeError::New(env, "'channels' must be an array");
	auto array = list.As<Napi::Array>();
	Napi::Object numbers = array;
	DmUserRouteOptions options;
	for (uint32_t index = 0; index < array.Length(); index++)
		options.channels.push_back(static_cast<int>(
		    get_integer(numbers, std::to_string(index).c_str(), 3, INT32_MAX)));
	if (open->route)
		throw make_error(env, EALREADY, "startDmUser", {});

	Napi::ThreadSafeFunction end;
	options.on_end = on_end(env, end);
	options.waits = open->disk->options().succeeds;
	const bool waits = options.waits;
	try {
		auto route = std::make_unique<DmUserRoute>(*open->disk, std::move(options));
		open->waiting = waits ? route.get() : nullptr;
		open->route = std::move(route);
	} catch (...) {
		end.Release();
		throw make_error(env, current_failure());
	}
	return start_route(env, std::move(open), end);
}

Napi::Value DiskObject::take_over(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	const std::shared_ptr<OpenDisk> &open = open_disk(env);
	DmUserRoute *route = std::exchange(open->waiting, nullptr);
	if (route == nullptr)
		throw make_error(env, EINVAL, "takeOver", {});
	try {
		open->image->lock();
		open->disk->take_over();
	} catch (...) {
		throw make_error(env, current_failure());
	}
	route->go();
	return env.Undefined();
}

Napi::Value DiskObject::present_size(const Napi::CallbackInfo &info)
{
	try {
		return bigint(info.Env(), open_disk(info.Env())->image->present_size());
	} catch (const Error &) {
		throw make_error(info.Env(), current_failure());
	}
}

Napi::Value DiskObject::take_present_size(const Napi::CallbackInfo &info)
{
	try {
		const std::shared_ptr<OpenDisk> &open = open_disk(info.Env());
		// Whoever has changed the size may have changed what lies there.
		open->disk->payloads().forget_referred();
		open->image->take_present_size();
	} catch (const Error &) {
		throw make_error(info.Env(), current_failure());
	}
	return info.Env().Undefined();
}

Napi::Value DiskObject::ended(const Napi::CallbackInfo &info)
{
	auto deferred = Napi::Promise::Deferred::New(info.Env());
	ending_->waiting.push_back(deferred);
	if (ending_->ended)
		ending_->settle(info.Env(), {});
	return deferred.Promise();
}

Napi::Value DiskObject::counters(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	Disk &disk = *open_disk(env)->disk;
	Counters now = disk.counters();
	Napi::Object result = Napi::Object::New(env);
	result.Set("time", bigint(env, monotonic_ns()));
	result.Set("reads", bigint(env, now.reads));
	result.Set("writes", bigint(env, now.writes));
	result.Set("flushes", bigint(env, now.flushes));
	result.Set("discards", bigint(env, now.discards));
	result.Set("zeroes", bigint(env, now.zeroes));
	result.Set("readBytes", bigint(env, now.read_bytes));
	result.Set("writtenBytes", bigint(env, now.written_bytes));
	result.Set("errors", bigint(env, now.errors));
	result.Set("inFlight", Napi::Number::New(env, now.in_flight));
	result.Set("payloadBytes", bigint(env, disk.payloads().kept_bytes()));
	return result;
}

Napi::Value DiskObject::read_payload(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	PayloadStore &payloads = open_disk(env)->disk->payloads();
	uint64_t sequence = bigint_argument(info, 0, "sequence");
	uint64_t offset = integer_argument(info, 1, "offset", 0, 1ULL << 40);
	uint64_t length = integer_argument(info, 2, "length", 0, longest_read);
	std::optional<uint64_t> total = payloads.find(sequence);
	if (!total)
		return env.Null();
	uint64_t left = *total > offset ? *total - offset : 0;
	auto bytes = Napi::Uint8Array::New(env, std::min(length, left));
	auto *start = reinterpret_cast<std::byte *>(bytes.Data());
	auto copied = payloads.read(sequence, offset, {start, bytes.ByteLength()});
	if (!copied)
		return env.Null(); // overwritten just now
	Napi::Object result = Napi::Object::New(env);
	result.Set("total", bigint(env, *total));
	result.Set("bytes", bytes);
	return result;
}

Napi::Value DiskObject::read_image(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::shared_ptr<OpenDisk> open = open_disk(env);
	uint64_t sector = bigint_argument(info, 0, "sector");
	uint64_t length = integer_argument(info, 1, "length", 0, longest_read);
	using Bytes = std::vector<std::byte>;
	auto work = [open, sector, length]() -> Bytes {
		uint64_t size = open->image->size();
		if (sector > size / DM_USER_SECTOR_BYTES ||
		    length > size - sector * DM_USER_SECTOR_BYTES)
			throw_error(ERANGE, "readImage");
		Bytes bytes(length);
		if (int error = open->image->read(sector * DM_USER_SECTOR_BYTES, bytes))
			throw_error(error, "pread");
		if (open->image->is_gone())
			throw_error(EIO, "pread"); // what was read may be anything
		return bytes;
	};
	auto convert = [](Napi::Env on, Bytes &bytes) -> Napi::Value {
		auto result = Napi::Uint8Array::New(on, bytes.size());
		std::memcpy(result.Data(), bytes.data(), bytes.size());
		return result;
	};
	return Task<Bytes>::run(env, work, convert);
}

Napi::Value DiskObject::flush(const Napi::CallbackInfo &info)
{
	std::shared_ptr<OpenDisk> open = open_disk(info.Env());
	auto work = [open]() -> Done {
		if (int error = open->image->flush())
			throw_error(error, "fdatasync");
		return {};
	};
	return Task<Done>::run(info.Env(), work, undefined);
}

Napi::Value DiskObject::close(const Napi::CallbackInfo &info)
{
	return end_disk(info.Env(), [](const std::shared_ptr<OpenDisk> &open) {
		if (open->route)
			open->route->stop();
		open->disk->close_trace();
		// A readImage() that is still running keeps the image until it is done.
	});
}

Napi::Value DiskObject::hand_over(const Napi::CallbackInfo &info)
{
	return end_disk(info.Env(), [](std::shared_ptr<OpenDisk> open) {
		if (open->route)
			open->route->stop();
		open->disk->payloads().forget_referred();
		// Nobody waits while tens of MiB are given back: let_go_of_images() comes later.
		// But a block device is the next engine's only when it is closed.
		if (open->image->block_device())
			open->image->let_go();
		else
			open->image->unlock();
		std::lock_guard lock(handed_over_mutex);
		handed_over.push_back(std::move(open));
	});
}

Napi::Value DiskObject::let_go_of_images(const Napi::CallbackInfo &info)
{
	auto work = []() -> Done {
		std::lock_guard lock(handed_over_mutex);
		std::exception_ptr first;
		for (const auto &open : handed_over) {
			try {
				if (!open->image->is_gone())
					open->image->let_go();
			} catch (...) { // one that cannot be closed keeps no other
				first = first ? first : std::current_exception();
			}
		}
		if (first)
			std::rethrow_exception(first);
		return {};
	};
	return Task<Done>::run(info.Env(), work, undefined);
}

Napi::Value DiskObject::end_disk(Napi::Env env, std::function<void(std::shared_ptr<OpenDisk>)> end)
{
	if (!open_) {
		auto deferred = Napi::Promise::Deferred::New(env);
		deferred.Resolve(env.Undefined());
		return deferred.Promise();
	}
	size_ = open_->image->size();
	tail_ = open_->image->tail();
	auto open = std::exchange(open_, nullptr);
	Unref();
	auto work = [open = std::move(open), end = std::move(end)]() mutable -> Done {
		end(std::move(open));
		return {};
	};
	auto ending = ending_;
	auto convert = [ending](Napi::Env on, Done &) -> Napi::Value {
		ending->settle(on, {});
		return on.Undefined();
	};
	return Task<Done>::run(env, std::move(work), convert);
}

} // namespace bioscope
