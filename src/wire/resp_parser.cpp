// SPDX-License-Identifier: MIT
#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <system_error>

#include "wire/resp.hpp"

namespace dcache::resp {
namespace {

constexpr std::string_view types = "+-:$_,#!=(*%~>|";

bool parse_integer(std::string_view text, std::int64_t& number) noexcept {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  return error == std::errc() && stop == end;
}

bool is_big_number(std::string_view text) noexcept {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_real(std::string_view text) noexcept {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  // Out of a double's range is a number, too; it is kept as text.
  return stop == end && error != std::errc::invalid_argument;
}

}  // namespace

const char* name_of(Fault fault) noexcept {
  static constexpr std::array<const char*, faults> names = {
      "no fault",
      "a reply of an unknown type",
      "a line that does not end with CR LF",
      "something else than a number",
      "a length that is none",
      "no CR LF after a bulk",
      "a verbatim string without its form",
      "a push within another reply",
      "a streamed reply",
      "a reply that is too deep",
      "a reply that is too large",
      "a reply of too many elements",
  };
  return names[static_cast<std::size_t>(fault)];
}

std::size_t Reply::next(std::size_t at) const noexcept {
  for (std::size_t left = 1; left > 0; --left, ++at) {
    if (nodes_[at].kind >= Kind::array) left += nodes_[at].size;
  }
  return at;
}

void Parser::begin() noexcept {
  reply_.nodes_.clear();
  reply_.text_.clear();
  elements_ = 0;
  begun_ = false;
  state_ = State::more;
}

Parser::Step Parser::fail(Fault fault) noexcept {
  fault_ = fault;
  return Step::fault;
}

Parser::State Parser::read(std::string_view& bytes) {
  if (state_ == State::fault) return state_;
  if (state_ == State::whole) begin();
  while (!bytes.empty()) {
    begun_ = true;
    const Step step = in_bulk_ ? take_bulk(bytes) : take_line(bytes);
    if (step == Step::fault) return state_ = State::fault;
    if (step == Step::item && close_frames()) return state_ = State::whole;
  }
  return State::more;
}

// An item has come: those that it ends end with it. True: the reply is whole.
bool Parser::close_frames() noexcept {
  while (depth_ > 0) {
    Frame& frame = frames_[depth_ - 1];
    if (--frame.left > 0) return false;
    --depth_;
    if (!frame.attribute) continue;
    reply_.nodes_.resize(frame.node);
    reply_.text_.resize(frame.text_size);
    return false;  // What it is an attribute of is still to come.
  }
  return true;
}

Parser::Step Parser::take_line(std::string_view& bytes) {
  const char first = line_.empty() ? bytes.front() : line_.front();
  if (types.find(first) == std::string_view::npos) return fail(Fault::unknown_type);
  const void* const end = std::memchr(bytes.data(), '\n', bytes.size());
  const std::size_t size =
      end == nullptr ? bytes.size()
                     : static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data()) + 1;
  if (line_.size() + size > limits_.line) return fail(Fault::too_large);
  std::string_view line = bytes.substr(0, size);
  bytes.remove_prefix(size);
  if (end == nullptr || !line_.empty()) {
    line_.append(line);
    if (end == nullptr) return Step::more;
    line = line_;
  }
  if (line.size() < 3 || line[line.size() - 2] != '\r') return fail(Fault::bad_line);
  const Step step = take_head(line.substr(0, line.size() - 2));
  line_.clear();
  return step;
}

// `line`: with its type in front, without CR LF.
Parser::Step Parser::take_head(std::string_view line) {
  const std::string_view rest = line.substr(1);
  switch (line.front()) {
    case '$':
      return begin_bulk(Kind::bulk, rest);
    case '+':
      return add_text(Kind::simple, rest);
    case '-':
      return add_text(Kind::error, rest);
    case ':': {
      std::int64_t number = 0;
      const bool plus = rest.starts_with('+') && !rest.starts_with("+-");
      if (!parse_integer(rest.substr(plus ? 1 : 0), number)) return fail(Fault::bad_number);
      return add_number(Kind::integer, number);
    }
    case '_':
      return rest.empty() ? add_number(Kind::null, 0) : fail(Fault::bad_number);
    case '#':
      if (rest != "t" && rest != "f") return fail(Fault::bad_number);
      return add_number(Kind::boolean, rest == "t" ? 1 : 0);
    case ',':
      return is_real(rest) ? add_text(Kind::real, rest) : fail(Fault::bad_number);
    case '(':
      return is_big_number(rest) ? add_text(Kind::big_number, rest) : fail(Fault::bad_number);
    case '!':
      return begin_bulk(Kind::error, rest);
    case '=':
      return begin_bulk(Kind::verbatim, rest);
    case '*':
      return open(Kind::array, rest, false);
    case '%':
      return open(Kind::map, rest, false);
    case '~':
      return open(Kind::set, rest, false);
    case '>':
      return depth_ > 0 ? fail(Fault::misplaced_push) : open(Kind::push, rest, false);
    default:  // `|`
      return open(Kind::map, rest, true);
  }
}

Parser::Step Parser::begin_bulk(Kind kind, std::string_view digits) {
  if (digits == "?") return fail(Fault::streamed);
  std::int64_t size = 0;
  if (!parse_integer(digits, size)) return fail(Fault::bad_length);
  if (size == -1 && kind == Kind::bulk) return add_number(Kind::null, 0);
  if (size < 0) return fail(Fault::bad_length);
  if (kind == Kind::verbatim && size < 4) return fail(Fault::bad_verbatim);
  const std::size_t at = reply_.text_.size();
  if (static_cast<std::uint64_t>(size) > limits_.bytes - at) return fail(Fault::too_large);
  if (++elements_ > limits_.elements) return fail(Fault::too_many);
  bulk_left_ = static_cast<std::size_t>(size);
  reply_.nodes_.push_back({kind, static_cast<std::int64_t>(at), bulk_left_});
  end_seen_ = 0;
  in_bulk_ = true;
  return Step::opened;
}

Parser::Step Parser::take_bulk(std::string_view& bytes) {
  if (bulk_left_ > 0) {
    const std::size_t size = std::min(bulk_left_, bytes.size());
    append_text(bytes.substr(0, size), bulk_left_);
    bytes.remove_prefix(size);
    bulk_left_ -= size;
  }
  while (bulk_left_ == 0 && !bytes.empty()) {
    if (bytes.front() != "\r\n"[end_seen_]) return fail(Fault::bad_end);
    bytes.remove_prefix(1);
    if (++end_seen_ < 2) continue;
    in_bulk_ = false;
    const Node& node = reply_.nodes_.back();
    const bool formless = node.kind == Kind::verbatim && reply_.text(node)[3] != ':';
    return formless ? fail(Fault::bad_verbatim) : Step::item;
  }
  return Step::more;
}

// Room is made for what is announced, as far as what has come vouches for it: so an eighth of a
// large text is copied once more, at most.
void Parser::append_text(std::string_view part, std::size_t announced) {
  constexpr std::size_t on_trust = std::size_t{64} << 10U, times = 8;
  std::string& text = reply_.text_;
  const std::size_t come = text.size() + part.size();
  if (come > text.capacity()) {
    text.reserve(std::min(text.size() + announced, std::max(come * times, on_trust)));
  }
  text.append(part);
}

Parser::Step Parser::add_text(Kind kind, std::string_view text) {
  if (text.find('\r') != std::string_view::npos) return fail(Fault::bad_line);
  std::string& all = reply_.text_;
  if (text.size() > limits_.bytes - all.size()) return fail(Fault::too_large);
  if (++elements_ > limits_.elements) return fail(Fault::too_many);
  reply_.nodes_.push_back({kind, static_cast<std::int64_t>(all.size()), text.size()});
  all.append(text);
  return Step::item;
}

Parser::Step Parser::add_number(Kind kind, std::int64_t number) {
  if (++elements_ > limits_.elements) return fail(Fault::too_many);
  reply_.nodes_.push_back({kind, number, 0});
  return Step::item;
}

Parser::Step Parser::open(Kind kind, std::string_view digits, bool attribute) {
  if (digits == "?") return fail(Fault::streamed);
  std::int64_t size = 0;
  if (!parse_integer(digits, size)) return fail(Fault::bad_length);
  if (size == -1 && kind == Kind::array) return add_number(Kind::null, 0);
  if (size < 0) return fail(Fault::bad_length);
  const std::size_t each = kind == Kind::map ? 2 : 1;
  if (static_cast<std::uint64_t>(size) > (limits_.elements - elements_) / each) {
    return fail(Fault::too_many);
  }
  if (++elements_ > limits_.elements) return fail(Fault::too_many);
  const std::size_t count = static_cast<std::size_t>(size) * each;
  const Frame frame{count, reply_.nodes_.size(), reply_.text_.size(), attribute};
  if (!attribute) reply_.nodes_.push_back({kind, 0, count});
  if (count == 0) return attribute ? Step::opened : Step::item;
  if (depth_ == depth_max) return fail(Fault::too_deep);
  frames_[depth_++] = frame;
  return Step::opened;
}

}  // namespace dcache::resp
