// SPDX-License-Identifier: Apache-2.0
// CRC-32C, what captures are guarded with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bioscope
{

// The CRC-32C (Castagnoli, reflected, as in iSCSI and ext4) of `bytes`, or, with
// the CRC of what came before them as `before`, of both together.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

// The same without the processor's own instruction; for machines that lack it,
// and for the test that compares them.
uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t before = 0);

} // namespace bioscope
