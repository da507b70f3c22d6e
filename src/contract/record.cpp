// SPDX-License-Identifier: MIT
#include "dcache/engine/record.hpp"

#include <algorithm>
#include <optional>

#include "dcache/engine/cbor.hpp"
#include "dcache/engine/cbor_reader.hpp"

#include "contract/compression.hpp"

namespace dcache::engine {
namespace {

using cbor::Head;
using cbor::Major;
using cbor::Reader;

constexpr std::uint64_t format_version = 1;
constexpr std::uint64_t field_count = 11;
// Canonical bytes above this are checked by their digest: a record is not twice as long as its key.
constexpr std::size_t canonical_max = 256;
constexpr std::size_t marks_max = 64;
constexpr std::string_view zstd = "zstd";

void append_end(std::string& out, WallTime end) {
  if (end == no_end) return cbor::append_null(out);
  cbor::append_int(out, end);
}

void append_key_check(std::string& out, std::string_view canonical) {
  if (canonical.size() <= canonical_max) return cbor::append_bytes(out, canonical);
  cbor::append_head(out, Major::array, 2);
  cbor::append_head(out, Major::natural, canonical.size());
  cbor::append_bytes(out, as_bytes(sha256({canonical})));
}

// Compression, marks and payload.
void append_content(std::string& out, std::span<const Mark> marks, std::string_view payload,
                    std::size_t compress_from) {
  std::string packed;
  const bool smaller =
      compress_from != 0 && payload.size() >= compress_from && append_compressed(packed, payload);
  if (smaller) {
    cbor::append_head(out, Major::array, 2);
    cbor::append_text(out, zstd);
    cbor::append_head(out, Major::natural, payload.size());
  } else {
    cbor::append_null(out);
  }
  cbor::append_head(out, Major::array, marks.size());
  for (const Mark& mark : marks) {
    cbor::append_bytes(out, {reinterpret_cast<const char*>(mark.data()), mark.size()});
  }
  cbor::append_bytes(out, smaller ? std::string_view(packed) : payload);
}

// The fields of a record, one after the other; the first that does not fit ends it.
class Fields {
 public:
  explicit Fields(std::string_view bytes) noexcept : reader_(bytes) {}

  bool array(std::uint64_t& items) noexcept {
    items = expect(Major::array).value;
    return !reader_.failed();
  }
  std::uint64_t natural() noexcept { return expect(Major::natural).value; }
  WallTime moment() noexcept {
    const Head head = next();
    if (head.is_null()) return no_end;
    return signed_of(head);
  }
  std::string_view bytes(Major major = Major::bytes) noexcept {
    std::string_view content;
    const Head head = expect(major);
    if (!reader_.failed()) reader_.take(head, content);
    return content;
  }
  Head next() noexcept {
    Head head;
    reader_.read(head);
    return head;
  }
  Head peek() const noexcept {
    Head head;
    reader_.peek(head);
    return head;
  }
  WallTime signed_of(const Head& head) noexcept {
    if (head.major > Major::negative || head.value >= std::uint64_t{no_end}) {
      reader_.fail();
      return 0;
    }
    const auto value = static_cast<WallTime>(head.value);
    return head.major == Major::negative ? -1 - value : value;
  }
  void fail() noexcept { reader_.fail(); }
  bool failed() const noexcept { return reader_.failed(); }
  bool at_end() const noexcept { return reader_.at_end(); }
  std::size_t position() const noexcept { return reader_.position(); }
  RecordFault fault() const noexcept {
    return reader_.ran_out() ? RecordFault::truncated : RecordFault::malformed;
  }

 private:
  Head expect(Major major) noexcept {
    const Head head = next();
    if (head.major != major) reader_.fail();
    return head;
  }

  Reader reader_;
};

// How a key is checked: by its bytes, or by their number and digest.
struct KeyCheck {
  std::string_view bytes;
  std::optional<std::uint64_t> size;

  bool is_of(std::string_view canonical) const {
    if (!size) return canonical.size() <= canonical_max && bytes == canonical;
    return *size == canonical.size() && bytes == as_bytes(sha256({canonical}));
  }
};

// What stands between the head and the seal.
struct Content {
  KeyCheck key;
  bool is_compressed = false;
  bool is_known = true;  // The kind of compression.
  std::uint64_t size = 0;
};

KeyCheck read_key_check(Fields& fields) {
  KeyCheck check;
  if (fields.peek().major == Major::array) {
    if (fields.next().value != 2) fields.fail();
    check.size = fields.natural();
  }
  check.bytes = fields.bytes();
  return check;
}

void read_compression(Fields& fields, Content& content) {
  if (fields.peek().is_null()) {
    fields.next();
    return;
  }
  std::uint64_t items = 0;
  if (!fields.array(items) || items != 2) return fields.fail();
  content.is_compressed = true;
  content.is_known = fields.bytes(Major::text) == zstd;
  content.size = fields.natural();
}

void read_marks(Fields& fields, std::vector<Mark>& marks) {
  std::uint64_t count = 0;
  marks.clear();
  if (!fields.array(count) || count > marks_max) return fields.fail();
  for (std::uint64_t i = 0; i < count && !fields.failed(); ++i) {
    const std::string_view bytes = fields.bytes();
    if (bytes.size() != Mark().size()) return fields.fail();
    std::copy(bytes.begin(), bytes.end(), marks.emplace_back().begin());
  }
}

void read_content(Fields& fields, Record& record, Content& content) {
  record.times.created = fields.signed_of(fields.next());
  record.times.fresh_until = fields.moment();
  record.times.usable_until = fields.moment();
  record.times.cost = fields.natural();
  content.key = read_key_check(fields);
  record.codec = fields.bytes(Major::text);
  read_compression(fields, content);
  read_marks(fields, record.marks);
  record.payload = fields.bytes();
}

// The seal is the last field; it is of all bytes before it, and of the key.
RecordFault check_seal(Fields& fields, std::string_view record, std::string_view key,
                       const Signer* signer) {
  const std::string_view sealed = record.substr(0, fields.position());
  const bool is_signature = fields.peek().major == Major::bytes;
  const std::string_view signature = is_signature ? fields.bytes() : std::string_view();
  const std::uint64_t sum = is_signature ? 0 : fields.natural();
  if (fields.failed()) return fields.fault();
  if (!fields.at_end()) return RecordFault::malformed;
  if (signer == nullptr) {
    if (is_signature) return RecordFault::badly_signed;  // By somebody whose secret is not known.
    return sum == checksum({sealed, key}) ? RecordFault::none : RecordFault::damaged;
  }
  if (!is_signature) return RecordFault::not_signed;
  return signer->verify(signature, {sealed, key}) ? RecordFault::none : RecordFault::badly_signed;
}

RecordFault read_all(std::string_view bytes, const RecordKey& key, const Signer* signer,
                     Record& record, Content& content) {
  Fields all(bytes);
  std::uint64_t items = 0;
  if (!all.array(items)) return all.fault();
  const std::uint64_t version = all.natural();
  if (all.failed()) return all.fault();
  if (version != format_version) {
    return version > format_version ? RecordFault::future_version : RecordFault::malformed;
  }
  if (items != field_count) return RecordFault::malformed;
  read_content(all, record, content);
  if (all.failed()) return all.fault();
  return check_seal(all, bytes, key.text, signer);
}

}  // namespace

bool append_record(std::string& out, const RecordKey& key, const RecordTimes& times,
                   std::string_view codec, std::span<const Mark> marks, std::string_view payload,
                   const RecordOptions& options) {
  constexpr std::size_t heads = 160;  // More than all heads, times and the seal.
  if (payload.size() > options.bytes_max) return false;
  const std::size_t begin = out.size();
  out.reserve(begin + payload.size() + std::min(key.canonical.size(), canonical_max) +
              17 * marks.size() + codec.size() + heads);
  cbor::append_head(out, Major::array, field_count);
  cbor::append_head(out, Major::natural, format_version);
  cbor::append_int(out, times.created);
  append_end(out, times.fresh_until);
  append_end(out, times.usable_until);
  cbor::append_head(out, Major::natural, times.cost);
  append_key_check(out, key.canonical);
  cbor::append_text(out, codec);
  append_content(out, marks, payload, options.compress_from);
  const std::string_view sealed = std::string_view(out).substr(begin);
  if (options.signer != nullptr) {
    cbor::append_bytes(out, as_bytes(options.signer->sign({sealed, key.text})));
  } else {
    cbor::append_head(out, Major::natural, checksum({sealed, key.text}));
  }
  if (out.size() - begin <= options.bytes_max) return true;
  out.resize(begin);
  return false;
}

RecordFault RecordReader::read(std::string_view bytes, const RecordKey& key,
                               const RecordOptions& options, Record& record) {
  if (bytes.size() > options.bytes_max) return RecordFault::oversized;
  Content content;
  const RecordFault fault = read_all(bytes, key, options.signer, record, content);
  if (fault != RecordFault::none) return fault;
  if (!content.key.is_of(key.canonical)) return RecordFault::other_key;
  if (!content.is_compressed) return RecordFault::none;
  if (!content.is_known) return RecordFault::bad_compression;
  if (content.size > options.bytes_max) return RecordFault::oversized;
  if (!decompress(unpacked_, record.payload, static_cast<std::size_t>(content.size))) {
    return RecordFault::bad_compression;
  }
  record.payload = unpacked_;
  return RecordFault::none;
}

}  // namespace dcache::engine
