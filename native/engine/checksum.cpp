// SPDX-License-Identifier: Apache-2.0
#include "checksum.h"

#include <array>
#include <cstring>

namespace bioscope
{

static constexpr uint32_t polynomial = 0x82f63b78; // Castagnoli, reflected

// table[k][b]: what byte b does to the CRC with k bytes of zero behind it.
static constexpr auto table = [] {
	std::array<std::array<uint32_t, 256>, 8> made{};
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
		made[0][byte] = crc;
	}
	for (size_t k = 1; k < made.size(); k++)
		for (size_t byte = 0; byte < 256; byte++)
			made[k][byte] = made[k - 1][byte] >> 8 ^ made[0][made[k - 1][byte] & 0xff];
	return made;
}();

uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t before)
{
	uint32_t crc = ~before;
	const std::byte *at = bytes.data();
	size_t left = bytes.size();
	for (; left >= 8; at += 8, left -= 8) {
		std::array<uint8_t, 8> eight{};
		std::memcpy(eight.data(), at, eight.size());
		for (size_t i = 0; i < 4; i++)
			eight[i] ^= static_cast<uint8_t>(crc >> (8 * i));
		crc = 0;
		for (size_t i = 0; i < eight.size(); i++)
			crc ^= table[7 - i][eight[i]];
	}
	for (; left > 0; at++, left--)
		crc = crc >> 8 ^ table[0][(crc ^ std::to_integer<uint32_t>(*at)) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse(std::span<const std::byte> bytes,
							     uint32_t before)
{
	uint64_t crc = ~before;
	const std::byte *at = bytes.data();
	size_t left = bytes.size();
	for (; left >= 8; at += 8, left -= 8) {
		uint64_t word = 0;
		std::memcpy(&word, at, sizeof(word));
		crc = __builtin_ia32_crc32di(crc, word);
	}
	auto narrow = static_cast<uint32_t>(crc);
	for (; left > 0; at++, left--)
		narrow = __builtin_ia32_crc32qi(narrow, std::to_integer<uint8_t>(*at));
	return ~narrow;
}

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before)
{
	static const bool has_instruction = __builtin_cpu_supports("sse4.2");
	return has_instruction ? crc32c_sse(bytes, before) : crc32c_portable(bytes, before);
}

#else

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before)
{
	return crc32c_portable(bytes, before);
}

#endif

} // namespace bioscope
