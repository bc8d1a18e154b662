// SPDX-License-Identifier: Apache-2.0
// Trace records as packed columns (column_packer.h): what goes to a window.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../wire/trace.h"
#include "column_packer.h"

namespace bioscope
{

// One for each caller: not to be used by two threads at once.
class RecordPacker
{
public:
	// Packs `records`, in their order, into `into`. Returns the bytes needed; when
	// `into` has fewer, what is in it then is of no use.
	size_t pack(std::span<const bioscope_trace_record> records, std::span<std::byte> into);

private:
	ColumnPacker packer_;
	// The values of each field, and the number of each row.
	std::array<std::vector<std::byte>, column_widths.size()> columns_;
	std::vector<uint32_t> rows_;
};

} // namespace bioscope
