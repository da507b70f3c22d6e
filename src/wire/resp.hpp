// SPDX-License-Identifier: MIT
/// RESP2 and RESP3, the protocol of Redis and Valkey, as bytes: commands that are written and
/// replies that are read. Knows no socket and no command.
/// Source: the documents of https://github.com/redis/redis-specifications under `protocol`.
///
/// Every function here is pure; a `Parser` is for one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dcache::resp {

// --- Commands: arrays of bulk strings ---

/// The head of a command of so many words, each of which is appended after it.
void append_head(std::string& out, std::size_t words);
void append_word(std::string& out, std::string_view word);
/// The beginning of a word whose bytes are sent from where they lie, with CR LF after them.
void append_word_head(std::string& out, std::size_t size);
/// A number as a word, in decimal.
void append_word(std::string& out, std::int64_t number);
void append_command(std::string& out, std::initializer_list<std::string_view> words);

// --- Replies ---

enum class Kind : std::uint8_t {
  simple,      ///< `+`
  error,       ///< `-` and `!`: its text begins with a code, `NOSCRIPT` for one.
  integer,     ///< `:`
  bulk,        ///< `$`
  null,        ///< `_`, and in RESP2 `$-1` and `*-1`.
  real,        ///< `,`: as text, which is a number, `inf`, `-inf` or `nan`.
  boolean,     ///< `#`: `number` is 0 or 1.
  verbatim,    ///< `=`: the text with its form in front, `txt:` for one.
  big_number,  ///< `(`: as text, which is digits, maybe with a sign.
  array,       ///< `*`
  map,         ///< `%`: twice as many elements as there are pairs, keys and values in turns.
  set,         ///< `~`
  push,        ///< `>`: an answer to nothing that was asked. At the top only.
};

/// Why bytes are no reply. The connection that they came from cannot be used any more.
enum class Fault : std::uint8_t {
  none,
  unknown_type,    ///< A reply begins with another letter.
  bad_line,        ///< A line that does not end with CR LF, or has one of them within.
  bad_number,      ///< Where a number, a boolean or a null is expected.
  bad_length,      ///< A length that is negative or none.
  bad_end,         ///< No CR LF after a bulk.
  bad_verbatim,    ///< Without three letters and a colon in front.
  misplaced_push,  ///< Within another reply.
  streamed,        ///< RESP3's streamed strings and aggregates: no server sends them.
  too_deep,        ///< Than `Limits::depth`.
  too_large,       ///< Than `Limits::bytes`, or a line than `Limits::line`.
  too_many,        ///< Elements: `Limits::elements`.
};
inline constexpr std::size_t faults = 12;
/// As people read it.
const char* name_of(Fault fault) noexcept;

/// One node of a reply. A reply is its nodes in the order in which they came: the root, and behind
/// each aggregate its elements.
struct Node {
  Kind kind = Kind::null;
  std::int64_t number = 0;  ///< Of integer and boolean. Of text: where it begins.
  std::size_t size = 0;     ///< Of text: bytes. Of aggregates: elements, which follow.
};

class Reply {
 public:
  const std::vector<Node>& nodes() const noexcept { return nodes_; }
  const Node& root() const noexcept { return nodes_.front(); }
  Kind kind() const noexcept { return root().kind; }
  std::int64_t number() const noexcept { return root().number; }

  bool is_text(const Node& node) const noexcept {
    return node.kind != Kind::integer && node.kind != Kind::boolean && node.kind != Kind::null &&
           node.kind < Kind::array;
  }
  /// Empty for what is no text. Valid until the next reply is read.
  std::string_view text(const Node& node) const noexcept {
    if (!is_text(node)) return {};
    return std::string_view(text_).substr(static_cast<std::size_t>(node.number), node.size);
  }
  std::string_view text() const noexcept { return text(root()); }
  /// The text of a reply that is nothing else, moved out: a bulk's bytes are copied once, from what
  /// was received. REQUIRES: the root is text.
  std::string take_text() noexcept { return std::exchange(text_, {}); }
  /// The node behind the one at `at` and all that is in it.
  std::size_t next(std::size_t at) const noexcept;

 private:
  friend class Parser;

  std::vector<Node> nodes_;
  std::string text_;  // Of all nodes.
};

/// Bounds that are checked before anything is believed. Memory is taken for bytes that have come,
/// not for those that are announced: at most eight times as much, and 64 KiB.
struct Limits {
  std::size_t bytes = std::size_t{512}
                      << 20U;  ///< Of all text in a reply: what Redis stores at most.
  std::size_t line = std::size_t{64} << 10U;     ///< Of a simple string, an error, a number.
  std::size_t elements = std::size_t{1} << 20U;  ///< In a reply, attributes included.
};
/// How deep aggregates may lie within each other.
inline constexpr std::size_t depth_max = 16;

/// Reads replies, however their bytes are cut.
class Parser {
 public:
  enum class State : std::uint8_t { more, whole, fault };

  explicit Parser(Limits limits = {}) noexcept : limits_(limits) {}

  /// Takes bytes off the front of `bytes`: all of them (`more`), or those of one reply (`whole`),
  /// which `reply` has until the next call. After a fault it reads nothing.
  /// Attributes (`|`) are read and dropped. Throws std::bad_alloc.
  State read(std::string_view& bytes);
  Reply& reply() noexcept { return reply_; }
  Fault fault() const noexcept { return fault_; }
  /// Whether a reply has begun and is not whole.
  bool within() const noexcept { return state_ == State::more && begun_; }

 private:
  struct Frame {
    std::size_t left = 0;       // Elements to come.
    std::size_t node = 0;       // Attributes: the nodes to drop, from here on.
    std::size_t text_size = 0;  // And the text.
    bool attribute = false;
  };
  enum class Step : std::uint8_t { more, item, opened, fault };

  void begin() noexcept;
  Step fail(Fault fault) noexcept;
  Step take_line(std::string_view& bytes);
  Step take_head(std::string_view line);
  Step take_bulk(std::string_view& bytes);
  Step begin_bulk(Kind kind, std::string_view digits);
  Step open(Kind kind, std::string_view digits, bool attribute);
  Step add_text(Kind kind, std::string_view text);
  Step add_number(Kind kind, std::int64_t number);
  bool close_frames() noexcept;
  void append_text(std::string_view part, std::size_t announced);

  const Limits limits_;
  Reply reply_;
  State state_ = State::more;
  Fault fault_ = Fault::none;
  bool begun_ = false;
  bool in_bulk_ = false;
  std::size_t bulk_left_ = 0;  // Of its text.
  std::size_t end_seen_ = 0;   // Of the CR LF after it.
  std::size_t elements_ = 0;
  std::string line_;  // The part of a line that has come.
  std::size_t depth_ = 0;
  std::array<Frame, depth_max> frames_{};
};

}  // namespace dcache::resp
