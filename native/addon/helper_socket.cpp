// SPDX-License-Identifier: Apache-2.0
#include "helper_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "../engine/error.h"
#include "../wire/helper.h"
#include "convert.h"

namespace bioscope
{

namespace
{

// What one recvmsg brought; no bytes: the socket has ended.
struct Frame {
	std::vector<uint8_t> bytes;
	std::vector<int> descriptors;
};

class Socket
{
public:
	Socket()
	{
		std::array<int, 2> ends{};
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
			throw_error(errno, "socketpair");
		own_ = ends[0];
		peer_ = ends[1];
	}
	Socket(const Socket &) = delete;
	Socket &operator=(const Socket &) = delete;
	~Socket()
	{
		close_peer();
		::close(own_);
	}

	int peer() const { return peer_; }

	void close_peer()
	{
		if (peer_ >= 0)
			::close(peer_);
		peer_ = -1;
	}

	// Wakes the reader, too. The number stays taken until the reader has let go.
	void shut_down() { ::shutdown(own_, SHUT_RDWR); }

	void send(const uint8_t *bytes, size_t length) const
	{
		while (::send(own_, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			if (errno != EINTR)
				throw_error(errno, "send");
	}

	Frame receive() const
	{
		Frame frame;
		frame.bytes.resize(BIOSCOPE_HELPER_REPLY_BYTES);
		alignas(cmsghdr)
		    std::array<char, CMSG_SPACE(sizeof(int) * BIOSCOPE_HELPER_CHANNELS_MOST)>
			control{};
		iovec part = {frame.bytes.data(), frame.bytes.size()};
		msghdr message{};
		message.msg_iov = &part;
		message.msg_iovlen = 1;
		message.msg_control = control.data();
		message.msg_controllen = control.size();
		ssize_t got = -1;
		do
			got = ::recvmsg(own_, &message, MSG_CMSG_CLOEXEC);
		while (got < 0 && errno == EINTR);
		for (cmsghdr *header = CMSG_FIRSTHDR(&message); got >= 0 && header;
		     header = CMSG_NXTHDR(&message, header)) {
			if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
				continue;
			frame.descriptors.resize((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			std::memcpy(frame.descriptors.data(), CMSG_DATA(header),
				    frame.descriptors.size() * sizeof(int));
		}
		bool whole = got == static_cast<ssize_t>(frame.bytes.size()) &&
			     (message.msg_flags & MSG_TRUNC) == 0;
		if (!whole) { // a helper that breaks the rules is as good as none
			frame.bytes.clear();
			for (int descriptor : frame.descriptors)
				::close(descriptor);
			frame.descriptors.clear();
		}
		return frame;
	}

private:
	int own_ = -1;
	int peer_ = -1;
};

// On the JavaScript thread: onFrame(bytes, descriptors), or onFrame(null, []).
void deliver(Napi::Env env, Napi::Function on_frame, const std::unique_ptr<Frame> &frame)
{
	Napi::HandleScope scope(env);
	Napi::Array descriptors = Napi::Array::New(env, frame->descriptors.size());
	for (uint32_t i = 0; i < frame->descriptors.size(); i++)
		descriptors.Set(i, Napi::Number::New(env, frame->descriptors[i]));
	Napi::Value bytes = env.Null();
	if (!frame->bytes.empty()) {
		Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, frame->bytes.size());
		std::memcpy(buffer.Data(), frame->bytes.data(), frame->bytes.size());
		bytes = Napi::Uint8Array::New(env, frame->bytes.size(), buffer, 0);
	}
	on_frame.Call({bytes, descriptors});
}

// Until the socket ends. Owns a share of the socket, so that its number stays ours.
void read_frames(const std::shared_ptr<Socket> &socket, Napi::ThreadSafeFunction on_frame)
{
	for (bool more = true; more;) {
		auto *frame = new Frame(socket->receive());
		more = !frame->bytes.empty();
		auto call = [](Napi::Env env, Napi::Function function, Frame *taken) {
			std::unique_ptr<Frame> owner(taken);
			if (env != nullptr)
				deliver(env, function, owner);
		};
		if (on_frame.BlockingCall(frame, call) != napi_ok) {
			for (int descriptor : frame->descriptors)
				::close(descriptor);
			delete frame;
			break;
		}
	}
	on_frame.Release();
}

} // namespace

Napi::Value open_helper_socket(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	if (!info[0].IsFunction())
		throw Napi::TypeError::New(env, "'onFrame' must be a function");
	std::shared_ptr<Socket> socket;
	try {
		socket = std::make_shared<Socket>();
	} catch (const Error &) {
		throw make_error(env, current_failure());
	}
	auto on_frame = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(),
						      "bioscope helper", 0, 1);
	std::thread(read_frames, socket, on_frame).detach();

	Napi::Object object = Napi::Object::New(env);
	object.Set("peer", Napi::Number::New(env, socket->peer()));
	auto close_peer = [socket](const Napi::CallbackInfo &) { socket->close_peer(); };
	object.Set("closePeer", Napi::Function::New(env, close_peer, "closePeer"));
	auto close = [socket](const Napi::CallbackInfo &) { socket->shut_down(); };
	object.Set("close", Napi::Function::New(env, close, "close"));
	auto send = [socket](const Napi::CallbackInfo &call) {
		if (!call[0].IsTypedArray())
			throw Napi::TypeError::New(call.Env(), "'frame' must be a Uint8Array");
		auto frame = call[0].As<Napi::Uint8Array>();
		try {
			socket->send(frame.Data(), frame.ByteLength());
		} catch (const Error &) {
			throw make_error(call.Env(), current_failure());
		}
	};
	object.Set("send", Napi::Function::New(env, send, "send"));
	return object;
}

} // namespace bioscope
