// SPDX-License-Identifier: MIT
#include "fuzz/judges.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>

#include "dcache/codec.hpp"
#include "dcache/engine/cbor_reader.hpp"
#include "dcache/engine/open.hpp"
#include "dcache/engine/record.hpp"
#include "dcache/error.hpp"
#include "support/mixed.hpp"
#include "support/resp.hpp"

namespace dcache::test {
namespace {

using engine::Record;
using engine::RecordFault;
using engine::RecordKey;
using engine::RecordOptions;
using engine::RecordReader;

void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

// --- Records ---

const RecordKey& key() {
  static const std::string canonical =
      "\x83\x65quote\xF6\x81\x64"
      "ACME";
  static const RecordKey one{"shop:quote:abc", canonical};
  return one;
}

RecordFault read(std::string_view bytes, const RecordOptions& options) {
  RecordReader reader;
  Record record, again;
  const RecordFault fault = reader.read(bytes, key(), options, record);
  if (fault != RecordFault::none) return fault;
  require(record.payload.size() <= options.bytes_max, "a payload beyond its bound");
  std::string written;
  require(append_record(written, key(), record.times, record.codec, record.marks, record.payload,
                        options),
          "what was read cannot be written");
  const std::string payload(record.payload);
  RecordReader other;
  require(other.read(written, key(), options, again) == RecordFault::none &&
              again.payload == payload && again.marks == record.marks,
          "what was read and written is another record");
  return fault;
}

// As they are; then as what stands before a seal that fits, so that a search gets past it.
std::string judge_record(std::string_view bytes) {
  static const engine::Signer signer("0123456789abcdef");
  RecordOptions plain;
  plain.compress_from = 64;
  plain.bytes_max = 1U << 16U;
  RecordOptions secret = plain;
  secret.signer = &signer;
  std::string verdict(name_of(read(bytes, plain)));
  verdict.append(" ").append(name_of(read(bytes, secret)));
  std::string summed(bytes), signed_(bytes);
  engine::cbor::append_head(summed, engine::cbor::Major::natural,
                            engine::checksum({bytes, key().text}));
  engine::cbor::append_bytes(signed_, engine::as_bytes(signer.sign({bytes, key().text})));
  verdict.append(" ").append(name_of(read(summed, plain)));
  verdict.append(" ").append(name_of(read(signed_, secret)));
  verdict.append(" ").append(name_of(read(signed_, plain)));
  return verdict;
}

// --- Values ---

std::string judge_value(std::string_view bytes) {
  const std::optional<Mixed> value = decode<Mixed>(bytes);
  if (!value) return "refused";
  const std::string written = encode(*value);
  const std::optional<Mixed> again = decode<Mixed>(written);
  require(again && encode(*again) == written, "a value that was read is not written as one");
  return "value";
}

// --- CBOR: of keys, and of whatever else ---

// One item, by its heads: what `skip` has to agree with.
bool walk(engine::cbor::Reader& reader, std::uint64_t items, int depth) {
  using engine::cbor::Major;
  for (; items > 0; --items) {
    engine::cbor::Head head;
    if (depth > 64 || !reader.read(head)) return false;
    std::string_view content;
    switch (head.major) {
      case Major::bytes:
      case Major::text:
        if (!reader.take(head, content)) return false;
        break;
      case Major::array:
        if (!walk(reader, head.value, depth + 1)) return false;
        break;
      case Major::map:
        if (!walk(reader, head.value, depth + 1) || !walk(reader, head.value, depth + 1)) {
          return false;
        }
        break;
      case Major::tag:
        if (!walk(reader, 1, depth + 1)) return false;
        break;
      default:
        break;
    }
  }
  return true;
}

std::string judge_cbor(std::string_view bytes) {
  engine::cbor::Reader skipping(bytes), walking(bytes);
  const bool whole = skipping.skip();
  require(skipping.position() <= bytes.size(), "a reader outside of its bytes");
  const bool walked = walk(walking, 1, 0);
  if (walked) require(whole && walking.position() == skipping.position(), "skip ends elsewhere");
  if (!whole) return skipping.ran_out() ? "short" : "refused";
  return skipping.at_end() ? "item" : "item and more";
}

// --- Replies of a server ---

std::string judge_reply(std::string_view bytes) {
  // Small ones, that short inputs reach.
  const resp::Limits limits{.bytes = 2048, .line = 256, .elements = 64};
  const std::string said = read_in_pieces(bytes, bytes.size(), limits);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    require(read_in_pieces(bytes, piece, limits) == said, "pieces are read as something else");
  }
  for (std::size_t i = 1; i < resp::faults; ++i) {
    const std::string fault = resp::name_of(static_cast<resp::Fault>(i));
    if (said.ends_with('!' + fault)) return fault;
  }
  return said.ends_with("...") ? "more" : "whole";
}

// --- URLs, and what stands in their options ---

template <class Run>
bool works(Run&& run) {
  try {
    run();
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

// What is said of it; nothing: it was opened, which does no I/O.
std::string said_of(std::string_view url) {
  try {
    engine::open_backend(url);
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

std::string judge_url(std::string_view bytes) {
  works([&] { engine::parse_bytes(bytes, "n"); });
  if (works([&] {
        const auto span = engine::parse_duration(bytes, "n");
        require(span >= span.zero(), "a duration below zero");
      })) {
    return "duration";
  }
  engine::Url url;
  if (!works([&] { url = engine::Url::parse(bytes); })) return "no URL";
  require(url.whole().substr(url.scheme.size()) == bytes.substr(url.scheme.size()),
          "a URL has lost something");
  const std::string said = said_of(bytes);
  const std::string& secret = url.password;
  const std::size_t at = bytes.find(secret);
  if (secret.size() >= 4 && at != std::string_view::npos && at == bytes.rfind(secret)) {
    require(url.text().find(secret) == std::string::npos, "a message has the password");
    // Words of ours may be in it by chance; they are there without it, too.
    std::string other(bytes);
    other.replace(at, secret.size(), secret.size(), 'z');
    require(
        said.find(secret) == std::string::npos || said_of(other).find(secret) != std::string::npos,
        "an error has the password");
  }
  return said.empty() ? "opened" : "refused";
}

}  // namespace

const std::vector<Judge>& judges() {
  static const std::vector<Judge> all = {
      {"record", judge_record}, {"value", judge_value}, {"cbor", judge_cbor},
      {"reply", judge_reply},   {"url", judge_url},
  };
  return all;
}

}  // namespace dcache::test
