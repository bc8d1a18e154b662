// SPDX-License-Identifier: Apache-2.0
// Arguments, errors and promises: what every binding of the addon needs.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace bioscope
{

// An Error as Node's own: `code` ("ENOSPC"), `errno` (positive), `syscall`, and
// `path` where one is concerned.
Napi::Error make_error(Napi::Env env, int error, const std::string &call, const std::string &path);

// Fields of an options object. They throw a JavaScript TypeError that names the
// field when it is missing, of another type or out of range.
Napi::Object options_of(const Napi::CallbackInfo &info);
std::string get_string(const Napi::Object &from, const char *name);
bool get_boolean(const Napi::Object &from, const char *name);
uint64_t get_integer(const Napi::Object &from, const char *name, uint64_t least, uint64_t most);
std::string string_argument(const Napi::CallbackInfo &info, size_t index, const char *name);
uint64_t integer_argument(const Napi::CallbackInfo &info, size_t index, const char *name,
			  uint64_t least, uint64_t most);
uint64_t bigint_argument(const Napi::CallbackInfo &info, size_t index, const char *name);

// What can go wrong off the event loop, kept until it is back on it.
struct Failure {
	int error = 0; // errno; 0 for something that is not the system's
	std::string call, path, message;
};
Failure current_failure(); // of the exception being handled
Napi::Error make_error(Napi::Env env, const Failure &failure);

// Runs `work` on the thread pool and settles a promise with what `convert` makes
// of its result on the JavaScript thread.
template <typename Result> class Task : public Napi::AsyncWorker
{
public:
	using Work = std::function<Result()>;
	using Convert = std::function<Napi::Value(Napi::Env, Result &)>;

	static Napi::Promise run(Napi::Env env, Work work, Convert convert)
	{
		auto *task = new Task(env, std::move(work), std::move(convert));
		Napi::Promise promise = task->deferred_.Promise();
		task->Queue();
		return promise;
	}

private:
	Task(Napi::Env env, Work work, Convert convert)
	    : Napi::AsyncWorker(env, "bioscope"), deferred_(env), work_(std::move(work)),
	      convert_(std::move(convert))
	{
	}

	void Execute() override
	{
		try {
			result_.emplace(work_());
		} catch (...) {
			failure_ = current_failure();
		}
		work_ = nullptr; // what it holds may take time to close: not on the event loop
	}

	void OnOK() override
	{
		Napi::HandleScope scope(Env());
		if (!result_) {
			deferred_.Reject(make_error(Env(), failure_).Value());
			return;
		}
		try {
			deferred_.Resolve(convert_(Env(), *result_));
		} catch (const Napi::Error &error) {
			deferred_.Reject(error.Value());
		}
	}

	Napi::Promise::Deferred deferred_;
	Work work_;
	Convert convert_;
	std::optional<Result> result_;
	Failure failure_;
};

// The result of work that has none.
struct Done {
};
inline Napi::Value undefined(Napi::Env env, Done &)
{
	return env.Undefined();
}

} // namespace bioscope
