// SPDX-License-Identifier: Apache-2.0
#include "privileged.h"

#include <array>
#include <cerrno>
#include <optional>

#include "../engine/error.h"
#include "../helper/verbs.h"
#include "convert.h"

namespace bioscope
{

// How long a device may stay open elsewhere (udev looks at it for some
// milliseconds) before detaching gives up.
static constexpr unsigned detach_wait_ms = 3000;

static void check(int error, const bioscope_failure &failure, const std::string &path)
{
	if (error)
		throw_error(error, failure.step, path);
}

Napi::Value mount_fuse(const Napi::CallbackInfo &info)
{
	Napi::Object from = options_of(info);
	std::string directory = get_string(from, "directory");
	auto uid = static_cast<uid_t>(get_integer(from, "ownerUid", 0, UINT32_MAX));
	auto gid = static_cast<gid_t>(get_integer(from, "ownerGid", 0, UINT32_MAX));
	auto work = [=]() -> int {
		bioscope_failure failure{};
		int fd = -1;
		check(bioscope_mount_fuse(directory.c_str(), uid, gid, &fd, &failure), failure,
		      directory);
		return fd;
	};
	auto convert = [](Napi::Env env, int &fd) -> Napi::Value {
		return Napi::Number::New(env, fd);
	};
	return Task<int>::run(info.Env(), work, convert);
}

Napi::Value unmount_lazily(const Napi::CallbackInfo &info)
{
	std::string directory = string_argument(info, 0, "directory");
	auto work = [directory]() -> Done {
		bioscope_failure failure{};
		check(bioscope_unmount_lazily(directory.c_str(), &failure), failure, directory);
		return {};
	};
	return Task<Done>::run(info.Env(), work, undefined);
}

Napi::Value attach_loop(const Napi::CallbackInfo &info)
{
	Napi::Object from = options_of(info);
	std::string path = get_string(from, "path");
	bool read_only = get_boolean(from, "readOnly");
	std::string label = get_string(from, "label");
	auto work = [=]() -> std::string {
		bioscope_failure failure{};
		std::array<char, BIOSCOPE_LOOP_PATH_BYTES> device{};
		check(bioscope_attach_loop(path.c_str(), read_only, label.c_str(), device.data(),
					   &failure),
		      failure, path);
		return device.data();
	};
	auto convert = [](Napi::Env env, std::string &device) -> Napi::Value {
		return Napi::String::New(env, device);
	};
	return Task<std::string>::run(info.Env(), work, convert);
}

Napi::Value loop_status(const Napi::CallbackInfo &info)
{
	std::string device = string_argument(info, 0, "device");
	using Status = std::optional<bioscope_loop_state>;
	auto work = [device]() -> Status {
		bioscope_failure failure{};
		bioscope_loop_state status{};
		int error = bioscope_loop_status(device.c_str(), &status, &failure);
		if (error == ENXIO)
			return std::nullopt;
		check(error, failure, device);
		return status;
	};
	auto convert = [](Napi::Env env, Status &status) -> Napi::Value {
		if (!status)
			return env.Null();
		Napi::Object result = Napi::Object::New(env);
		result.Set("backingDevice", Napi::BigInt::New(env, status->backing_device));
		result.Set("backingInode", Napi::BigInt::New(env, status->backing_inode));
		result.Set("label", Napi::String::New(env, status->label));
		result.Set("readOnly", Napi::Boolean::New(env, status->read_only));
		result.Set("directIo", Napi::Boolean::New(env, status->direct_io));
		return result;
	};
	return Task<Status>::run(info.Env(), work, convert);
}

Napi::Value detach_loop(const Napi::CallbackInfo &info)
{
	Napi::Object from = options_of(info);
	std::string device = get_string(from, "device");
	bool force = get_boolean(from, "force");
	auto work = [=]() -> Done {
		bioscope_failure failure{};
		check(bioscope_detach_loop(device.c_str(), force, detach_wait_ms, &failure),
		      failure, device);
		return {};
	};
	return Task<Done>::run(info.Env(), work, undefined);
}

} // namespace bioscope
