// SPDX-License-Identifier: Apache-2.0
// The wire formats against bytes that are written down: test/golden is read by C,
// C++ (here) and TypeScript (test/app/golden.test.ts) alike.
#include "support.h"

#include <fstream>

#include "golden_layout.h"

extern "C" {
const char *golden_record_difference_in_c(const void *bytes);
const char *golden_header_difference_in_c(const void *bytes);
const char *golden_messages_difference_in_c(const void *bytes);
}

namespace
{

// Hexadecimal bytes; `#` begins a comment.
std::vector<unsigned char> golden(const std::string &name)
{
	std::ifstream file(std::string(GOLDEN_DIRECTORY) + "/" + name);
	REQUIRE(file.good());
	std::vector<unsigned char> bytes;
	std::string line;
	while (std::getline(file, line)) {
		line.resize(std::min(line.size(), line.find('#')));
		for (size_t at = 0; (at = line.find_first_not_of(' ', at)) != std::string::npos;
		     at += 2)
			bytes.push_back(static_cast<unsigned char>(
			    std::stoul(line.substr(at, 2), nullptr, 16)));
	}
	return bytes;
}

std::string text(const char *difference)
{
	return difference ? difference : "";
}

} // namespace

TEST_CASE("golden: a trace record")
{
	auto bytes = golden("trace-record.hex");
	REQUIRE(bytes.size() == sizeof(bioscope_trace_record));
	CHECK(text(golden_record_difference(bytes.data())) == "");
	CHECK(text(golden_record_difference_in_c(bytes.data())) == "");
	bytes[offsetof(bioscope_trace_record, marks)] ^= 1;
	CHECK(text(golden_record_difference(bytes.data())) == "marks");
	CHECK(text(golden_record_difference_in_c(bytes.data())) == "marks");
}

TEST_CASE("golden: a trace header")
{
	auto bytes = golden("trace-header.hex");
	REQUIRE(bytes.size() == sizeof(bioscope_trace_header));
	CHECK(text(golden_header_difference(bytes.data())) == "");
	CHECK(text(golden_header_difference_in_c(bytes.data())) == "");
}

TEST_CASE("golden: dm-user messages")
{
	auto bytes = golden("dm-user-messages.hex");
	REQUIRE(bytes.size() == 3 * DM_USER_HEADER_BYTES);
	CHECK(text(golden_messages_difference(bytes.data())) == "");
	CHECK(text(golden_messages_difference_in_c(bytes.data())) == "");
}
