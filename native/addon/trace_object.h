// SPDX-License-Identifier: Apache-2.0
// NativeTraceReader of app/addon/addon.ts.
#pragma once

#include <napi.h>

#include <memory>

#include "../engine/trace_reader.h"

namespace bioscope
{

// openTrace(path, from)
Napi::Value open_trace(const Napi::CallbackInfo &info);

} // namespace bioscope
