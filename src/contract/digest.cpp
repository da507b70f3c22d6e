// SPDX-License-Identifier: MIT
#include "dcache/engine/digest.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<&EVP_MD_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Freed<&EVP_MAC_CTX_free>>;

void check(bool done) {
  if (!done)
    throw Error("dcache: OpenSSL has no SHA-256: its configuration or a provider is broken");
}

// OpenSSL would take itself apart at exit, under threads that end later and have things of it.
void stay_until_the_end() noexcept { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr); }

// Fetching costs three times what it costs to digest a key (413 against 104 ns of 32 bytes), so the
// algorithm is fetched once. Never freed.
const EVP_MD* algorithm() {
  static const EVP_MD* const fetched = [] {
    stay_until_the_end();
    return EVP_MD_fetch(nullptr, "SHA256", nullptr);
  }();
  check(fetched != nullptr);
  return fetched;
}

EVP_MD_CTX* context() {
  thread_local const DigestContext own(EVP_MD_CTX_new());
  check(own != nullptr);
  return own.get();
}

constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";

// The two letters of ten bits: half the look-ups.
constexpr auto pairs = [] {
  std::array<std::array<char, 2>, 1024> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = {letters[i >> 5U], letters[i & 31U]};
  return all;
}();

}  // namespace

Digest sha256(Parts parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  std::array<char, 256> joined;
  if (parts.size() > 1 && size <= joined.size()) {  // A second update costs more than the copy.
    char* end = joined.data();
    for (const std::string_view part : parts) end = std::copy(part.begin(), part.end(), end);
    return sha256({std::string_view(joined.data(), size)});
  }
  Digest digest;
  EVP_MD_CTX* const own = context();
  check(EVP_DigestInit_ex2(own, algorithm(), nullptr) == 1);
  for (const std::string_view part : parts) {
    check(EVP_DigestUpdate(own, part.data(), part.size()) == 1);
  }
  check(EVP_DigestFinal_ex(own, digest.data(), nullptr) == 1);
  return digest;
}

std::uint64_t checksum(Parts parts) {
  if (parts.size() == 1) return XXH3_64bits(parts.begin()->data(), parts.begin()->size());
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (const std::string_view part : parts) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

void write_base32(std::string_view bytes, char* to) noexcept {
  for (; bytes.size() >= 5; bytes.remove_prefix(5), to += 8) {  // Five bytes are eight letters.
    std::uint64_t group = 0;
    for (int i = 0; i < 5; ++i)
      group = group << 8U | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
    for (int i = 0; i < 4; ++i)
      std::memcpy(to + 2 * i, pairs[group >> (30 - 10 * i) & 1023U].data(), 2);
  }
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char byte : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(byte);
    for (held += 8; held >= 5; held -= 5) *to++ = letters[bits >> (held - 5) & 31U];
  }
  if (held > 0) *to = letters[bits << (5 - held) & 31U];
}

// A context that has taken the secret in; each use works on a copy of it.
class Signer::Prepared {
 public:
  explicit Prepared(std::string_view secret) {
    stay_until_the_end();
    const std::unique_ptr<EVP_MAC, Freed<&EVP_MAC_free>> mac(
        EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr));
    check(mac != nullptr);
    context_.reset(EVP_MAC_CTX_new(mac.get()));
    std::array<char, 7> sha = {"SHA256"};
    const std::array<OSSL_PARAM, 2> parameters = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha.data(), 0),
        OSSL_PARAM_construct_end()};
    check(context_ != nullptr &&
          EVP_MAC_init(context_.get(), reinterpret_cast<const unsigned char*>(secret.data()),
                       secret.size(), parameters.data()) == 1);
  }
  MacContext copy() const { return MacContext(EVP_MAC_CTX_dup(context_.get())); }

 private:
  MacContext context_;
};

Signer::Signer(std::string_view secret) {
  if (secret.size() < secret_min) {
    throw ConfigError("dcache: secret has " + std::to_string(secret.size()) +
                      " bytes; expected at least " + std::to_string(secret_min) +
                      " random ones, for instance of `openssl rand -base64 32`");
  }
  prepared_ = std::make_unique<Prepared>(secret);
}

Signer::~Signer() = default;

Digest Signer::sign(Parts parts) const {
  Digest seal;
  const MacContext own = prepared_->copy();
  check(own != nullptr);
  for (const std::string_view part : parts) {
    check(EVP_MAC_update(own.get(), reinterpret_cast<const unsigned char*>(part.data()),
                         part.size()) == 1);
  }
  std::size_t size = 0;
  check(EVP_MAC_final(own.get(), seal.data(), &size, seal.size()) == 1 && size == seal.size());
  return seal;
}

bool Signer::verify(std::string_view seal, Parts parts) const {
  const Digest own = sign(parts);
  return seal.size() == own.size() && CRYPTO_memcmp(seal.data(), own.data(), own.size()) == 0;
}

}  // namespace dcache::engine
