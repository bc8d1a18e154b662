// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace bioscope
{

// makeColumnPacker(): a function pack(columns, rows, into) with memory of its own
Napi::Value make_column_packer(const Napi::CallbackInfo &info);

} // namespace bioscope
