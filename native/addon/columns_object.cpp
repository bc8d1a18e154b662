// SPDX-License-Identifier: Apache-2.0
#include "columns_object.h"

#include <algorithm>
#include <memory>

#include "../engine/column_packer.h"
#include "convert.h"

namespace bioscope
{

// Columns of a capture that all have a value for each of `rows`.
static std::array<const std::byte *, column_widths.size()>
columns_argument(Napi::Env env, const Napi::Value &value, std::span<const uint32_t> rows)
{
	if (!value.IsArray() || value.As<Napi::Array>().Length() != column_widths.size())
		throw Napi::TypeError::New(env, "'columns' must be the columns of a capture");
	const auto list = value.As<Napi::Array>();
	const size_t least =
	    rows.empty() ? 0 : size_t{*std::max_element(rows.begin(), rows.end())} + 1;
	std::array<const std::byte *, column_widths.size()> columns{};
	for (uint32_t field = 0; field < columns.size(); field++) {
		const Napi::Value element = list[field];
		if (!element.IsTypedArray())
			throw Napi::TypeError::New(env, "'columns' must be typed arrays");
		const auto array = element.As<Napi::TypedArray>();
		if (array.ByteLength() < least * column_widths[field])
			throw Napi::RangeError::New(env, "'rows' names rows that are not there");
		// Two words of 32 bits are read as one of 64.
		if (array.ByteOffset() % column_widths[field] != 0)
			throw Napi::RangeError::New(env, "'columns' must be aligned");
		const auto *start = static_cast<const std::byte *>(array.ArrayBuffer().Data());
		columns[field] = start + array.ByteOffset();
	}
	return columns;
}

static Napi::Value pack(const Napi::CallbackInfo &info, ColumnPacker &packer)
{
	Napi::Env env = info.Env();
	if (!info[1].IsTypedArray() ||
	    info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array)
		throw Napi::TypeError::New(env, "'rows' must be a Uint32Array");
	if (!info[2].IsArrayBuffer())
		throw Napi::TypeError::New(env, "'into' must be an ArrayBuffer");
	const auto order = info[1].As<Napi::Uint32Array>();
	const std::span<const uint32_t> rows{order.Data(), order.ElementLength()};
	const auto columns = columns_argument(env, info[0], rows);
	auto into = info[2].As<Napi::ArrayBuffer>();
	const size_t bytes =
	    packer.pack(columns, rows, {static_cast<std::byte *>(into.Data()), into.ByteLength()});
	return Napi::Number::New(env, static_cast<double>(bytes));
}

Napi::Value make_column_packer(const Napi::CallbackInfo &info)
{
	auto packer = std::make_shared<ColumnPacker>();
	return Napi::Function::New(
	    info.Env(), [packer](const Napi::CallbackInfo &call) { return pack(call, *packer); });
}

} // namespace bioscope
