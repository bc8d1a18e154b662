// SPDX-License-Identifier: Apache-2.0
// The verbs of native/helper, in process. They need root (CAP_SYS_ADMIN).
#pragma once

#include <napi.h>

namespace bioscope
{

Napi::Value mount_fuse(const Napi::CallbackInfo &info);     // mountFuse(options)
Napi::Value unmount_lazily(const Napi::CallbackInfo &info); // unmountLazily(directory)
Napi::Value attach_loop(const Napi::CallbackInfo &info);    // attachLoop(options)
Napi::Value loop_status(const Napi::CallbackInfo &info);    // loopStatus(device)
Napi::Value detach_loop(const Napi::CallbackInfo &info);    // detachLoop(options)

} // namespace bioscope
