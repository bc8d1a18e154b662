// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace bioscope
{

// makeRecordPacker(): a function pack(records, count, into) with memory of its own
// (see app/addon/addon.ts).
Napi::Value make_record_packer(const Napi::CallbackInfo &info);

} // namespace bioscope
