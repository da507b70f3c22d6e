// SPDX-License-Identifier: MIT
/// The key of a call in far tiers, the same from C++ and from Python.
///
/// `namespace:function:digest`: printable, at most 240 characters. The digest is SHA-256, in
/// lower-case base32, of the canonical bytes of [function, version, arguments].
#pragma once

#include <string>
#include <string_view>

#include "dcache/engine/digest.hpp"
#include "dcache/engine/record.hpp"

namespace dcache::engine {

struct FarKey {
  std::string text;
  std::string canonical;  ///< What the digest is of.

  operator RecordKey() const noexcept { return {text, canonical}; }  // NOLINT(*-explicit-*)
};

/// The first part of a function's far keys, without the digest: `namespace:function:`, or
/// `function:` without a namespace. Of the function's name what a store would not take is written
/// as `_`, and its last 120 characters count; the digest knows all of it.
///
/// Throws ConfigError for a namespace of more than 64 characters, or of others than letters, digits
/// and signs.
std::string key_prefix(std::string_view space, std::string_view function);

/// The beginning of canonical bytes; those of the arguments, an array with one item for each, go
/// after it. Without a version: an empty one.
std::string canonical_prefix(std::string_view function, std::string_view version);

/// The text of a key, written to where there is room for the prefix, as `key_prefix` gives it, and
/// `digest_text` characters more: the digest of its canonical bytes.
void write_far_key(std::string_view prefix, Parts canonical, char* to);
inline constexpr std::size_t digest_text = base32_size(sizeof(Digest));
/// `prefix` as `key_prefix` gives it; `canonical` whole.
FarKey far_key(std::string_view prefix, std::string canonical);

}  // namespace dcache::engine
