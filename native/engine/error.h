// SPDX-License-Identifier: Apache-2.0
// What went wrong, in which call, with which file: what the addon hands to
// JavaScript as code, syscall and path.
#pragma once

#include <string>
#include <system_error>
#include <utility>

namespace bioscope
{

class Error : public std::system_error
{
public:
	// `error` is a positive errno; `call` is a string literal.
	Error(int error, const char *call, std::string path)
	    : std::system_error(error, std::generic_category(),
				path.empty() ? std::string(call) : call + (" " + path)),
	      call_(call), path_(std::move(path))
	{
	}

	const char *call() const { return call_; }
	const std::string &path() const { return path_; }

private:
	const char *call_;
	std::string path_;
};

[[noreturn]] inline void throw_error(int error, const char *call, std::string path = {})
{
	throw Error(error, call, std::move(path));
}

} // namespace bioscope
