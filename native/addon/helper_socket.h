// SPDX-License-Identifier: Apache-2.0
// The daemon's end of the privileged helper's socket (native/wire/helper.h): Node can
// neither make such a socketpair nor receive descriptors. One thread reads; it knows
// nothing of what the frames say.
#pragma once

#include <napi.h>

namespace bioscope
{

Napi::Value open_helper_socket(const Napi::CallbackInfo &info);

} // namespace bioscope
