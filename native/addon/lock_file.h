// SPDX-License-Identifier: Apache-2.0
// Locks that only one process can have, and that end with it.
#pragma once

#include <napi.h>

namespace bioscope
{

Napi::Value lock_file(const Napi::CallbackInfo &info);   // lockFile(path)
Napi::Value unlock_file(const Napi::CallbackInfo &info); // unlockFile(lock)

} // namespace bioscope
