// SPDX-License-Identifier: Apache-2.0
// How block requests reach the engine, whatever the kernel's side is.
#pragma once

namespace bioscope
{

class Route
{
public:
	virtual ~Route() = default;

	// Starts serving. Once. Throws std::system_error; nothing runs then.
	virtual void start() = 0;
	// Ends the threads, each after the requests it has taken. Any thread but the
	// route's own; idempotent.
	virtual void stop() = 0;
};

} // namespace bioscope
