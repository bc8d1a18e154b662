// SPDX-License-Identifier: Apache-2.0
// What the one-file FUSE file system answers: the callbacks for libfuse.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "../disk.h"

namespace bioscope
{

// The largest read or write the kernel is asked to send in one message.
inline constexpr unsigned fuse_largest_transfer = 1 << 20;

// For fuse_session_new; its user data is the FuseFile.
const fuse_lowlevel_ops &fuse_operations();

// The worker of the calling engine thread, which the callbacks use. libfuse calls
// them on the thread that hands it the message.
void set_fuse_worker(Worker *worker);

} // namespace bioscope
