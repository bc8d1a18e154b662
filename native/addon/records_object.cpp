// SPDX-License-Identifier: Apache-2.0
#include "records_object.h"

#include <memory>

#include "../engine/record_packer.h"

namespace bioscope
{

static Napi::Value pack(const Napi::CallbackInfo &info, RecordPacker &packer)
{
	Napi::Env env = info.Env();
	if (!info[0].IsArrayBuffer() || !info[2].IsArrayBuffer())
		throw Napi::TypeError::New(env, "'records' and 'into' must be ArrayBuffers");
	if (!info[1].IsNumber())
		throw Napi::TypeError::New(env, "'count' must be a number");
	auto records = info[0].As<Napi::ArrayBuffer>();
	auto into = info[2].As<Napi::ArrayBuffer>();
	const double count = info[1].As<Napi::Number>().DoubleValue();
	const size_t there = records.ByteLength() / sizeof(bioscope_trace_record);
	// Not a number is neither.
	if (!(count >= 0 && count <= static_cast<double>(there)))
		throw Napi::RangeError::New(env, "'records' has fewer than 'count'");
	// V8 aligns what an ArrayBuffer points to.
	const auto *first = static_cast<const bioscope_trace_record *>(records.Data());
	const size_t bytes =
	    packer.pack({first, static_cast<size_t>(count)},
			{static_cast<std::byte *>(into.Data()), into.ByteLength()});
	return Napi::Number::New(env, static_cast<double>(bytes));
}

Napi::Value make_record_packer(const Napi::CallbackInfo &info)
{
	auto packer = std::make_shared<RecordPacker>();
	return Napi::Function::New(
	    info.Env(), [packer](const Napi::CallbackInfo &call) { return pack(call, *packer); });
}

} // namespace bioscope
