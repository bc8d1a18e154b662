// SPDX-License-Identifier: Apache-2.0
#include "convert.h"

#include <cmath>
#include <cstring>
#include <exception>

#include "../engine/error.h"

namespace bioscope
{

Napi::Error make_error(Napi::Env env, int error, const std::string &call, const std::string &path)
{
	const char *name = strerrorname_np(error);
	std::string code = name ? name : std::to_string(error);
	std::string message = code + ": " + std::strerror(error) + ", " + call;
	if (!path.empty())
		message += " '" + path + "'";
	Napi::Error made = Napi::Error::New(env, message);
	made.Set("code", Napi::String::New(env, code));
	made.Set("errno", Napi::Number::New(env, error));
	made.Set("syscall", Napi::String::New(env, call));
	if (!path.empty())
		made.Set("path", Napi::String::New(env, path));
	return made;
}

Napi::Error make_error(Napi::Env env, const Failure &failure)
{
	if (failure.error == 0)
		return Napi::Error::New(env, failure.message);
	return make_error(env, failure.error, failure.call, failure.path);
}

Failure current_failure()
{
	Failure failure;
	try {
		throw;
	} catch (const Error &error) {
		failure = {error.code().value(), error.call(), error.path(), {}};
	} catch (const std::bad_alloc &) {
		failure = {ENOMEM, "malloc", {}, {}};
	} catch (const std::system_error &error) {
		failure = {error.code().value(), error.what(), {}, {}};
	} catch (const std::exception &error) {
		failure.message = error.what();
	} catch (...) {
		failure.message = "unknown error in native code";
	}
	return failure;
}

static Napi::TypeError bad(Napi::Env env, const std::string &name, const std::string &want)
{
	return Napi::TypeError::New(env, "'" + name + "' must be " + want);
}

static std::string to_path_string(const Napi::Value &value, const char *name)
{
	if (!value.IsString())
		throw bad(value.Env(), name, "a string");
	std::string text = value.As<Napi::String>().Utf8Value();
	// C would read it only up to there.
	if (text.find('\0') != std::string::npos)
		throw bad(value.Env(), name, "without NUL");
	return text;
}

static uint64_t to_integer(const Napi::Value &value, const char *name, uint64_t least,
			   uint64_t most)
{
	std::string range =
	    "an integer from " + std::to_string(least) + " to " + std::to_string(most);
	if (!value.IsNumber())
		throw bad(value.Env(), name, range);
	double number = value.As<Napi::Number>().DoubleValue();
	if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) ||
	    number != std::floor(number))
		throw bad(value.Env(), name, range);
	return static_cast<uint64_t>(number);
}

Napi::Object options_of(const Napi::CallbackInfo &info)
{
	if (!info[0].IsObject())
		throw bad(info.Env(), "options", "an object");
	return info[0].As<Napi::Object>();
}

std::string get_string(const Napi::Object &from, const char *name)
{
	return to_path_string(from.Get(name), name);
}

bool get_boolean(const Napi::Object &from, const char *name)
{
	Napi::Value value = from.Get(name);
	if (!value.IsBoolean())
		throw bad(from.Env(), name, "a boolean");
	return value.As<Napi::Boolean>().Value();
}

uint64_t get_integer(const Napi::Object &from, const char *name, uint64_t least, uint64_t most)
{
	return to_integer(from.Get(name), name, least, most);
}

std::string string_argument(const Napi::CallbackInfo &info, size_t index, const char *name)
{
	return to_path_string(info[index], name);
}

uint64_t integer_argument(const Napi::CallbackInfo &info, size_t index, const char *name,
			  uint64_t least, uint64_t most)
{
	return to_integer(info[index], name, least, most);
}

uint64_t bigint_argument(const Napi::CallbackInfo &info, size_t index, const char *name)
{
	const char *want = "a bigint from 0 to 2^64 - 1";
	if (!info[index].IsBigInt())
		throw bad(info.Env(), name, want);
	bool lossless = false;
	uint64_t value = info[index].As<Napi::BigInt>().Uint64Value(&lossless);
	if (!lossless)
		throw bad(info.Env(), name, want);
	return value;
}

} // namespace bioscope
