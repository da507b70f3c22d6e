// SPDX-License-Identifier: MIT
#include "backends/s3/signer.hpp"

#include <array>
#include <mutex>
#include <utility>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "dcache/error.hpp"

#include "base/hex.hpp"

namespace dcache::s3 {
namespace {

constexpr std::size_t keys_max = 8;

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(),
           &size) == nullptr) {
    throw Error("dcache: this machine's OpenSSL has no HMAC-SHA-256");
  }
  return {reinterpret_cast<const char*>(out.data()), size};
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  return engine::hex(engine::as_bytes(engine::sha256({bytes})));
}

std::string md5(std::string_view bytes) {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  if (algorithm == nullptr ||
      EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, algorithm, nullptr) != 1) {
    return {};
  }
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

Signer::Key Signer::key(std::string_view day, std::string_view region, std::string_view secret) {
  std::string name(day);
  name.append(" ").append(region).append(" ").append(secret);
  {
    const std::lock_guard lock(lock_);
    const auto known = keys_.find(name);
    if (known != keys_.end()) return known->second;
  }
  std::string derived = hmac("AWS4" + std::string(secret), day);
  for (const std::string_view part : {region, std::string_view(service_)}) {
    derived = hmac(derived, part);
  }
  const auto made = std::make_shared<const engine::Signer>(hmac(derived, "aws4_request"));
  const std::lock_guard lock(lock_);
  if (keys_.size() >= keys_max) keys_.clear();
  keys_.emplace(std::move(name), made);
  return made;
}

std::string Signer::authorization(const sigv4::Canonical& canonical, const Credentials& credentials,
                                  std::string_view time, std::string_view region) {
  const std::string_view day = time.substr(0, 8);
  const std::string scope = sigv4::scope(day, region, service_);
  const std::string text = sigv4::string_to_sign(time, scope, sha256_hex(canonical.text));
  const std::string signature =
      engine::hex(engine::as_bytes(key(day, region, credentials.secret_key)->sign({text})));
  return sigv4::authorization(credentials.access_key, scope, canonical.signed_headers, signature);
}

void Signer::sign(const Question& question, const Credentials& credentials,
                  sigv4::Fields& headers) {
  const std::string time = sigv4::timestamp(question.unix_seconds);
  headers.push_back({"x-amz-date", time});
  headers.push_back({"x-amz-content-sha256", std::string(question.payload_hash)});
  if (!credentials.session_token.empty()) {
    headers.push_back({"x-amz-security-token", credentials.session_token});
  }
  const sigv4::Canonical canonical = sigv4::canonical_request(
      {question.method, question.path, question.query, headers, question.payload_hash});
  headers.push_back(
      {"Authorization", authorization(canonical, credentials, time, question.region)});
}

}  // namespace dcache::s3
