// SPDX-License-Identifier: MIT
#include "backends/redis/scripts.hpp"

#include <array>
#include <cstdint>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/hex.hpp"

namespace dcache::redis {
namespace {

// A store that is full refuses SET, and may refuse it only before the script has changed anything:
// what else changes comes after.
constexpr std::string_view put = R"(
if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
redis.call('DEL', KEYS[2], KEYS[3])
return 1)";

constexpr std::string_view add = R"(
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'string' then return value end
if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
redis.call('DEL', KEYS[2], KEYS[3])
return false)";

constexpr std::string_view watch = R"(
local token = redis.pcall('GET', KEYS[2])
if type(token) == 'string' and #token == 16 and not token:find('[^0-9a-f]') then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  return token
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return ARGV[1])";

// A lease counts as long as its token does: of a watch that has gone it is left over.
constexpr std::string_view lease = R"(
if ARGV[5] == '1' then
  local value = redis.pcall('GET', KEYS[1])
  if type(value) == 'string' and #value > 0 and
     (ARGV[6] == '' or value:sub(-#ARGV[6]) ~= ARGV[6]) then return value end
end
local token = redis.pcall('GET', KEYS[2])
if type(token) == 'string' and #token == 16 and not token:find('[^0-9a-f]') then
  local mine = ARGV[3] .. ':' .. token
  local lease = redis.pcall('GET', KEYS[3])
  if type(lease) == 'string' and lease ~= mine and #lease == 33 and lease:sub(17) == ':' .. token then
    return {token}
  end
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
else
  token = ARGV[1]
  redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
end
redis.call('SET', KEYS[3], ARGV[3] .. ':' .. token, 'PX', ARGV[4])
return redis.status_reply(token))";

constexpr std::string_view fill = R"(
local stored = 0
if redis.pcall('GET', KEYS[2]) == ARGV[3] then
  if ARGV[2] == '0' then stored = redis.pcall('SET', KEYS[1], ARGV[1])
  else stored = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
end
if redis.pcall('GET', KEYS[3]) == ARGV[4] then redis.call('DEL', KEYS[3]) end
if stored == 0 or stored.err then return stored end
if ARGV[5] == '1' then redis.call('DEL', KEYS[2], KEYS[3])
else redis.call('PEXPIRE', KEYS[2], ARGV[6]) end
return 1)";

constexpr std::string_view release = R"(
if redis.pcall('GET', KEYS[3]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[3]))";

constexpr std::string_view renew = R"(
if redis.pcall('GET', KEYS[3]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return redis.call('PEXPIRE', KEYS[3], ARGV[2]))";

std::string digest_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);  // As for every digest of ours.
  EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha1(), nullptr);
  return engine::hex({reinterpret_cast<const char*>(bytes.data()), size});
}

Script script(std::string_view text) { return {text, digest_of(text)}; }

}  // namespace

const Scripts& scripts() {
  static const auto* const all =
      new Scripts{script(put),  script(add),     script(watch), script(lease),
                  script(fill), script(release), script(renew)};  // Threads may ask at exit.
  return *all;
}

}  // namespace dcache::redis
