// SPDX-License-Identifier: Apache-2.0
// NativePayloads of app/addon/addon.ts: the kept payloads of an open disk, for
// another thread of the daemon than the one that opened it.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "../engine/payload_store.h"

namespace bioscope
{

// Makes `payloads` reachable by the path of the trace file of their disk, which is
// its own, for as long as somebody else keeps them. Any thread.
void publish_payloads(const std::string &trace_path, const std::shared_ptr<PayloadStore> &payloads);

// openPayloads(tracePath)
Napi::Value open_payloads(const Napi::CallbackInfo &info);
// crc32c(bytes, before)
Napi::Value checksum(const Napi::CallbackInfo &info);

} // namespace bioscope
