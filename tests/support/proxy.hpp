// SPDX-License-Identifier: MIT
/// A proxy between a client and a server of a test, which does to what it carries what networks do.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

namespace dcache::test {

enum class Weather : std::uint8_t {
  fine,
  stalled,   ///< Neither direction is read any more: half-open, as after a cable was pulled.
  deaf,      ///< What the client sends gets lost.
  dripping,  ///< Replies come byte by byte, one each millisecond.
  refusing,  ///< Connections are reset, new ones as soon as they are made.
};

/// On loopback. Thread-safe.
class Proxy {
 public:
  /// Throws std::runtime_error.
  explicit Proxy(std::uint16_t server);
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  ~Proxy();

  std::uint16_t port() const noexcept { return port_; }
  void set(Weather weather) noexcept { weather_ = weather; }
  /// Behind so many bytes of replies their connection is reset, once.
  void reset_after(std::size_t bytes) noexcept { reset_after_ = bytes; }

 private:
  void accept_all();
  void carry(int client);
  bool carry_reply(int client, const char* bytes, std::size_t size);

  const std::uint16_t server_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<Weather> weather_{Weather::fine};
  std::atomic<std::size_t> reset_after_{SIZE_MAX};
  std::atomic<bool> stop_{false};
  std::atomic<unsigned> carrying_{0};
  std::thread accepts_;
};

}  // namespace dcache::test
